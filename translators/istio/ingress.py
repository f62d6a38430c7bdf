"""IstioIngressListener -> IngressListener: where workloads are called."""

from collections.abc import Iterator

import msgspec

from mirrorplane.api.cluster_policy import ConnectionPool
from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.hosts import is_ip
from mirrorplane.api.kinds.istio import destination_rule
from mirrorplane.api.kinds.istio import sidecar as istio
from mirrorplane.api.mesh import Protocol
from mirrorplane.api.meta import Ref
from mirrorplane.api.sidecar_scope import IngressListener
from mirrorplane.api.units import PORTS
from mirrorplane.translators.istio.connection_pool import pool_findings, pool_of
from mirrorplane.translators.istio.egress import bind_findings, capture_findings, port_findings
from mirrorplane.translators.port_protocols import by_token

_UNIX = "unix://"
_LOCAL = {"127.0.0.1": "127.0.0.1", "::1": "::1"}
_ADDRESSES = ("", "127.0.0.1", "0.0.0.0", "::1", "::")  # noqa: S104 - words of a manifest


def ingress_of(said: istio.IngressListener) -> IngressListener:
    """Return where a port of the workload is called; `0.0.0.0:8080` is its own address (Istio)."""
    assert said.port is not None
    host, port = _endpoint(said.default_endpoint)
    return IngressListener(
        port=said.port.number,
        protocol=(by_token(said.port.protocol) or Protocol.AUTO).value,
        bind=said.bind,
        bound=said.capture_mode == "NONE",
        address=_LOCAL.get(host, ""),
        target=int(port or 0),
        pool=inbound_pool_of(said.connection_pool),
    )


def ingress_findings(about: Ref, said: tuple[istio.IngressListener, ...]) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses."""
    seen: set[int] = set()
    for i, listener in enumerate(said):
        path, port = f"spec.ingress[{i}]", listener.port
        if port is None:
            yield Finding(about, "PortNeeded", "sidecar: port is required for ingress listeners", f"{path}.port")
            continue
        if port.number in seen:
            message = "sidecar: ports on IP bound listeners must be unique"
            yield Finding(about, "DuplicatePort", message, f"{path}.port.number")
        seen.add(port.number)
        yield from port_findings(about, f"{path}.port", port)
        yield from bind_findings(about, f"{path}.bind", listener.bind)
        yield from capture_findings(about, f"{path}.captureMode", listener.capture_mode)
        yield from _endpoint_findings(about, f"{path}.defaultEndpoint", listener.default_endpoint)
        yield from _tls_findings(about, f"{path}.tls", listener)
        yield from inbound_pool_findings(about, f"{path}.connectionPool", listener.connection_pool)
        yield from _listener_findings(about, path, listener)


def inbound_pool_findings(about: Ref, path: str, said: destination_rule.ConnectionPool | None) -> Iterator[Finding]:
    """Refuse what a connection pool is refused for anywhere. The workload is spoken to as its port says (Istio)."""
    yield from pool_findings(about, path, said)
    if said is not None and said.http is not None and (said.http.h2_upgrade_policy or said.http.use_client_protocol):
        message = "h2UpgradePolicy and useClientProtocol change nothing here: the port says what the workload speaks"
        yield Finding(about, "NoEffect", message, f"{path}.http", Severity.WARNING)


def inbound_pool_of(said: destination_rule.ConnectionPool | None) -> ConnectionPool | None:
    """Return the limits of what comes in."""
    pool = pool_of(said)
    return msgspec.structs.replace(pool, http2=None, use_client_protocol=False) if pool else None


def _listener_findings(about: Ref, path: str, said: istio.IngressListener) -> Iterator[Finding]:
    if said.capture_mode == "NONE":
        message = "a listener of its own for what comes in is not served: only what the kernel brings is"
        yield Finding(about, "NotServed", message, f"{path}.captureMode", Severity.WARNING)
    if said.bind:
        message = "bind has no effect: what the kernel brings is taken for whatever address it was meant"
        yield Finding(about, "NoEffect", message, f"{path}.bind", Severity.WARNING)


def _endpoint(text: str) -> tuple[str, str]:
    host, _, port = text.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), port


def _endpoint_findings(about: Ref, path: str, text: str) -> Iterator[Finding]:
    if text.startswith(_UNIX):
        yield Finding(about, "UnixSocket", f"{text} is not served: the workload is called by TCP only", path)
        return
    host, port = _endpoint(text)
    if text and (host not in _ADDRESSES or ":" not in text or (":" in host and not is_ip(host))):
        message = (
            "sidecar: defaultEndpoint must be of form 127.0.0.1:<port>,0.0.0.0:<port>,[::1]:port,[::]:port,"
            "unix://filepath or unset"
        )
        yield Finding(about, "InvalidEndpoint", message, path)
    elif text and not (port.isdecimal() and int(port) in PORTS):
        message = f"sidecar: defaultEndpoint port ({port}) is not a number of 1..65535"
        yield Finding(about, "InvalidEndpoint", message, path)


def _tls_findings(about: Ref, path: str, said: istio.IngressListener) -> Iterator[Finding]:
    """Refuse TLS: ports that end it would otherwise answer in plain text."""
    if said.tls is not None:
        message = "TLS that a sidecar ends with certificates of its own is not served"
        yield Finding(about, "TlsNotServed", message, path, fix="end it in the workload, and say protocol: TLS")
