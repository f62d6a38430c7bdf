"""IstioEgressListener -> EgressListener, OutboundTrafficPolicy: where workloads call out."""

from collections.abc import Iterator

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.hosts import host_problem, is_ip
from mirrorplane.api.kinds.istio import sidecar as istio
from mirrorplane.api.mesh import Protocol
from mirrorplane.api.meta import Ref
from mirrorplane.api.sidecar_scope import EgressListener
from mirrorplane.api.units import PORTS
from mirrorplane.translators.istio.host_selectors import excluded_of, host_set_findings, imported_of
from mirrorplane.translators.port_protocols import by_token

CAPTURE_MODES = ("DEFAULT", "IPTABLES", "NONE")
_MODES = ("REGISTRY_ONLY", "ALLOW_ANY")
_UNIX = "unix://"
_PROXY = "http_proxy"


def egress_of(said: istio.EgressListener) -> EgressListener:
    """Return where calls to a port are made, or to all others, and what can be called there."""
    spoken = by_token(said.port.protocol) if said.port else None
    return EgressListener(
        hosts=imported_of(said.hosts),
        excluded=excluded_of(said.hosts),
        port=said.port.number if said.port else 0,
        protocol=spoken.value if spoken else "",
        bind=said.bind,
        bound=said.capture_mode == "NONE",
    )


def egress_findings(about: Ref, said: tuple[istio.EgressListener, ...]) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses, and what cannot be served."""
    seen: set[int] = set()
    for i, listener in enumerate(said):
        path, port = f"spec.egress[{i}]", listener.port
        if port is None and i + 1 < len(said):
            message = "sidecar: the egress listener with empty port should be the last listener in the list"
            yield Finding(about, "PortNeeded", message, f"{path}.port", fix="there can be one for all other ports")
        if port is not None:
            yield from port_findings(about, f"{path}.port", port)
            if port.number in seen and port.number:
                message = "sidecar: ports on IP bound listeners must be unique"
                yield Finding(about, "DuplicatePort", message, f"{path}.port.number")
            seen.add(port.number)
        yield from bind_findings(about, f"{path}.bind", listener.bind)
        yield from capture_findings(about, f"{path}.captureMode", listener.capture_mode)
        yield from host_set_findings(about, f"{path}.hosts", listener.hosts)


def policy_findings(about: Ref, said: istio.OutboundTrafficPolicy | None) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses."""
    path = "spec.outboundTrafficPolicy"
    if said is None:
        return
    if said.mode not in _MODES:
        yield Finding(about, "InvalidMode", f"mode {said.mode} is none of {', '.join(_MODES)}", f"{path}.mode")
    proxy, where = said.egress_proxy, f"{path}.egressProxy"
    if proxy is None:
        return
    if said.mode != "ALLOW_ANY":
        message = "sidecar: egress_proxy must be set only with ALLOW_ANY outbound_traffic_policy mode"
        yield Finding(about, "InvalidDestination", message, where)
    if problem := host_problem(proxy.host) or ("*" in proxy.host and f"{proxy.host!r} is no host to send to"):
        yield Finding(about, "InvalidDestination", problem, f"{where}.host")
    if proxy.port is None:
        yield Finding(about, "InvalidDestination", "sidecar: egress_proxy port must be non-nil", f"{where}.port")
    elif proxy.port.number not in PORTS:
        message = f"port {proxy.port.number} is not in 1..65535"
        yield Finding(about, "InvalidDestination", message, f"{where}.port.number")
    if "|" in proxy.subset:
        yield Finding(about, "InvalidDestination", f"subset name is invalid: {proxy.subset!r}", f"{where}.subset")


def bind_findings(about: Ref, path: str, bind: str) -> Iterator[Finding]:
    """Refuse addresses that are none, and sockets, which nothing here listens on."""
    if bind.startswith(_UNIX):
        message = f"{bind} is not served: listeners are bound to IP addresses only"
        yield Finding(about, "UnixSocket", message, path, fix="bind it to an address, for example 127.0.0.1")
    elif bind and not is_ip(bind):
        yield Finding(about, "InvalidAddress", f"{bind!r} is not a valid IP", path)


def capture_findings(about: Ref, path: str, mode: str) -> Iterator[Finding]:
    """Refuse modes that do not exist."""
    if mode not in CAPTURE_MODES:
        yield Finding(about, "InvalidMode", f"captureMode {mode} is none of {', '.join(CAPTURE_MODES)}", path)


def port_findings(about: Ref, path: str, port: istio.SidecarPort) -> Iterator[Finding]:
    """Refuse numbers and protocols that are none, and warn of what has no effect."""
    if port.number not in PORTS:
        fix = "without number, Istio takes it for a Unix socket, which is not served"
        yield Finding(about, "InvalidPort", f"port {port.number} is not in 1..65535", f"{path}.number", fix=fix)
    if port.protocol.lower() == _PROXY:
        message = f"the protocol {port.protocol} is not served for one listener"
        fix = "the HTTP proxy's port is MeshConfig.proxyHttpPort, for all sidecars"
        yield Finding(about, "ProxyPort", message, f"{path}.protocol", fix=fix)
    elif by_token(port.protocol) is None:
        yield Finding(about, "InvalidPort", f"unsupported protocol: {port.protocol}", f"{path}.protocol")
    if by_token(port.protocol) is Protocol.UDP:
        message = "UDP is not served: nothing listens on this port"
        yield Finding(about, "NoEffect", message, f"{path}.protocol", Severity.WARNING)
    if port.target_port:
        message = "targetPort has no meaning here: a service or the defaultEndpoint says where a port leads"
        yield Finding(about, "NoEffect", message, f"{path}.targetPort", Severity.WARNING)
