"""IstioIngressListener -> IngressListener: where workloads are called."""

from collections.abc import Iterator

from api.finding import Finding
from api.horizons import IngressListener
from api.hosts import is_ip
from api.kinds.istio import sidecar as istio
from api.mesh import Protocol
from api.meta import Ref
from api.units import PORTS
from translators.istio.egress import bind_findings, capture_findings, port_findings
from translators.istio.pools import pool_findings, pool_of
from translators.istio.protocols import by_token

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
        pool=pool_of(said.connection_pool),
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
        yield from pool_findings(about, f"{path}.connectionPool", listener.connection_pool)


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
