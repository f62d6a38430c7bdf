"""IstioIngressListener -> IngressListener: the ports at which a workload accepts calls."""

from collections.abc import Iterator

import msgspec

from mirrorplane.api.cluster_policy import ConnectionPool
from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.hosts import is_ip
from mirrorplane.api.kinds.istio import destination_rule
from mirrorplane.api.kinds.istio import sidecar as istio
from mirrorplane.api.mesh import Protocol
from mirrorplane.api.meta import Ref
from mirrorplane.api.proxy import OWN_PORTS
from mirrorplane.api.sidecar_scope import IngressListener
from mirrorplane.api.units import PORTS, whole_number
from mirrorplane.translators.istio.connection_pool import pool_findings, pool_of
from mirrorplane.translators.istio.egress import bind_findings, capture_findings, port_findings
from mirrorplane.translators.port_protocols import protocol_of_token

_UNIX = "unix://"
_LOCAL = {"127.0.0.1": "127.0.0.1", "::1": "::1"}
_ADDRESSES = ("", "127.0.0.1", "0.0.0.0", "::1", "::")  # noqa: S104 - words of a manifest


def ingress_of(spec: istio.IngressListener) -> IngressListener:
    """Return one inbound port. Of defaultEndpoint, `0.0.0.0` means the workload's own address (Istio)."""
    assert spec.port is not None
    host, port = _endpoint(spec.default_endpoint)
    target = whole_number(port)
    return IngressListener(
        port=spec.port.number,
        protocol=(protocol_of_token(spec.port.protocol) or Protocol.AUTO).value,
        bind=spec.bind,
        bound=spec.capture_mode == "NONE",
        address=_LOCAL.get(host, ""),
        target=target or 0,
        pool=inbound_pool_of(spec.connection_pool),
    )


def ingress_findings(about: Ref, spec: tuple[istio.IngressListener, ...]) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses."""
    seen_ports: set[int] = set()
    for i, listener in enumerate(spec):
        path, port = f"spec.ingress[{i}]", listener.port
        if port is None:
            yield Finding(about, "PortNeeded", "sidecar: port is required for ingress listeners", f"{path}.port")
            continue
        if port.number in seen_ports:
            message = "sidecar: ports on IP bound listeners must be unique"
            yield Finding(about, "DuplicatePort", message, f"{path}.port.number")
        seen_ports.add(port.number)
        yield from port_findings(about, f"{path}.port", port)
        yield from bind_findings(about, f"{path}.bind", listener.bind)
        yield from capture_findings(about, f"{path}.captureMode", listener.capture_mode)
        yield from _endpoint_findings(about, f"{path}.defaultEndpoint", listener.default_endpoint)
        yield from _tls_findings(about, f"{path}.tls", listener)
        yield from inbound_pool_findings(about, f"{path}.connectionPool", listener.connection_pool)
        yield from _listener_findings(about, path, listener)


def inbound_pool_findings(about: Ref, path: str, spec: destination_rule.ConnectionPool | None) -> Iterator[Finding]:
    """Refuse an invalid pool, and warn of what has no effect: the port alone decides the HTTP version (Istio)."""
    yield from pool_findings(about, path, spec)
    if spec is not None and spec.http is not None and (spec.http.h2_upgrade_policy or spec.http.use_client_protocol):
        message = "h2UpgradePolicy and useClientProtocol have no effect here: the port's protocol decides"
        yield Finding(about, "NoEffect", message, f"{path}.http", Severity.WARNING)


def inbound_pool_of(spec: destination_rule.ConnectionPool | None) -> ConnectionPool | None:
    """Return the limits of inbound connections."""
    pool = pool_of(spec)
    return msgspec.structs.replace(pool, http2=None, use_client_protocol=False) if pool else None


def _listener_findings(about: Ref, path: str, spec: istio.IngressListener) -> Iterator[Finding]:
    if spec.capture_mode == "NONE":
        message = "captureMode NONE is not supported for inbound traffic: only intercepted connections are accepted"
        yield Finding(about, "NotServed", message, f"{path}.captureMode", Severity.WARNING)
    if spec.bind:
        message = "bind has no effect: intercepted connections are accepted at every address"
        yield Finding(about, "NoEffect", message, f"{path}.bind", Severity.WARNING)


def _endpoint(text: str) -> tuple[str, str]:
    host, _, port = text.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), port


def _endpoint_findings(about: Ref, path: str, text: str) -> Iterator[Finding]:
    if text.startswith(_UNIX):
        yield Finding(about, "UnixSocket", f"{text} is not supported: workloads are called over TCP only", path)
        return
    host, port = _endpoint(text)
    number = whole_number(port)
    if text and (host not in _ADDRESSES or ":" not in text or (":" in host and not is_ip(host))):
        message = (
            "sidecar: defaultEndpoint must be of form 127.0.0.1:<port>,0.0.0.0:<port>,[::1]:port,[::]:port,"
            "unix://filepath or unset"
        )
        yield Finding(about, "InvalidEndpoint", message, path)
    elif text and number not in PORTS:
        message = f"sidecar: defaultEndpoint port ({port}) is not in 1..65535"
        yield Finding(about, "InvalidEndpoint", message, path)
    elif number in OWN_PORTS:
        message = f"port {port} is the sidecar's own: clients would reach Envoy, its admin interface at 15000"
        yield Finding(about, "LocalEndpoint", message, path, fix="use the port of the workload")


def _tls_findings(about: Ref, path: str, spec: istio.IngressListener) -> Iterator[Finding]:
    """Refuse TLS settings: a port that should terminate TLS must not serve plaintext instead."""
    if spec.tls is not None:
        message = "TLS termination at a sidecar is not supported"
        yield Finding(
            about, "TlsNotServed", message, path, fix="terminate TLS in the workload, and set port.protocol to TLS"
        )
