"""IstioEgressListener -> EgressListener, OutboundTrafficPolicy: what workloads may call."""

from collections.abc import Iterator

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.hosts import host_problem, is_ip
from mirrorplane.api.kinds.istio import sidecar as istio
from mirrorplane.api.mesh import Protocol
from mirrorplane.api.meta import Ref
from mirrorplane.api.sidecar_scope import EgressListener
from mirrorplane.api.units import PORTS
from mirrorplane.translators.istio.host_selectors import excluded_hosts, host_selector_findings, imported_hosts
from mirrorplane.translators.port_protocols import protocol_of_token

CAPTURE_MODES = ("DEFAULT", "IPTABLES", "NONE")
_MODES = ("REGISTRY_ONLY", "ALLOW_ANY")
_UNIX = "unix://"
_HTTP_PROXY = "http_proxy"


def egress_of(spec: istio.EgressListener) -> EgressListener:
    """Return the listener of one port, or of all other ports, with the hosts that it may reach."""
    protocol = protocol_of_token(spec.port.protocol) if spec.port else None
    return EgressListener(
        hosts=imported_hosts(spec.hosts),
        excluded=excluded_hosts(spec.hosts),
        port=spec.port.number if spec.port else 0,
        protocol=protocol.value if protocol else "",
        bind=spec.bind,
        bound=spec.capture_mode == "NONE",
    )


def egress_findings(about: Ref, spec: tuple[istio.EgressListener, ...]) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses, and unsupported features."""
    seen_ports: set[int] = set()
    for i, listener in enumerate(spec):
        path, port = f"spec.egress[{i}]", listener.port
        if port is None and i + 1 < len(spec):
            message = "sidecar: the egress listener with empty port should be the last listener in the list"
            yield Finding(
                about, "PortNeeded", message, f"{path}.port", fix="keep at most one listener without port, at the end"
            )
        if port is not None:
            yield from port_findings(about, f"{path}.port", port)
            if port.number in seen_ports and port.number:
                message = "sidecar: ports on IP bound listeners must be unique"
                yield Finding(about, "DuplicatePort", message, f"{path}.port.number")
            seen_ports.add(port.number)
        yield from bind_findings(about, f"{path}.bind", listener.bind)
        yield from capture_findings(about, f"{path}.captureMode", listener.capture_mode)
        yield from host_selector_findings(about, f"{path}.hosts", listener.hosts)


def policy_findings(about: Ref, spec: istio.OutboundTrafficPolicy | None) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses."""
    path = "spec.outboundTrafficPolicy"
    if spec is None:
        return
    if spec.mode not in _MODES:
        yield Finding(about, "InvalidMode", f"mode {spec.mode} is not one of {', '.join(_MODES)}", f"{path}.mode")
    proxy, proxy_path = spec.egress_proxy, f"{path}.egressProxy"
    if proxy is None:
        return
    if spec.mode != "ALLOW_ANY":
        message = "sidecar: egress_proxy must be set only with ALLOW_ANY outbound_traffic_policy mode"
        yield Finding(about, "InvalidDestination", message, proxy_path)
    if problem := host_problem(proxy.host) or ("*" in proxy.host and f"{proxy.host!r} must be a single host"):
        yield Finding(about, "InvalidDestination", problem, f"{proxy_path}.host")
    if proxy.port is None:
        yield Finding(about, "InvalidDestination", "sidecar: egress_proxy port must be non-nil", f"{proxy_path}.port")
    elif proxy.port.number not in PORTS:
        message = f"port {proxy.port.number} is not in 1..65535"
        yield Finding(about, "InvalidDestination", message, f"{proxy_path}.port.number")
    if "|" in proxy.subset:
        yield Finding(about, "InvalidDestination", f"subset name is invalid: {proxy.subset!r}", f"{proxy_path}.subset")


def bind_findings(about: Ref, path: str, bind: str) -> Iterator[Finding]:
    """Refuse invalid addresses, and Unix sockets, which are not supported."""
    if bind.startswith(_UNIX):
        message = f"{bind} is not supported: listeners bind to IP addresses only"
        yield Finding(about, "UnixSocket", message, path, fix="bind to an IP address, for example 127.0.0.1")
    elif bind and not is_ip(bind):
        yield Finding(about, "InvalidAddress", f"{bind!r} is not a valid IP", path)


def capture_findings(about: Ref, path: str, mode: str) -> Iterator[Finding]:
    """Refuse unknown modes."""
    if mode not in CAPTURE_MODES:
        yield Finding(about, "InvalidMode", f"captureMode {mode} is not one of {', '.join(CAPTURE_MODES)}", path)


def port_findings(about: Ref, path: str, port: istio.SidecarPort) -> Iterator[Finding]:
    """Refuse invalid numbers and protocols, and warn of fields without effect.

    Istio: an empty protocol is that of the services, or detected (`ValidateProtocol` in pkg/config/validation/agent).
    """
    if port.number not in PORTS:
        fix = "set number: without it, Istio expects a Unix socket, which is not supported"
        yield Finding(about, "InvalidPort", f"port {port.number} is not in 1..65535", f"{path}.number", fix=fix)
    if port.protocol.lower() == _HTTP_PROXY:
        message = f"protocol {port.protocol} is not supported on a single listener"
        fix = "set MeshConfig.proxyHttpPort, which opens the HTTP proxy of all sidecars"
        yield Finding(about, "ProxyPort", message, f"{path}.protocol", fix=fix)
    elif port.protocol and protocol_of_token(port.protocol) is None:
        yield Finding(about, "InvalidPort", f"unsupported protocol: {port.protocol}", f"{path}.protocol")
    if protocol_of_token(port.protocol) is Protocol.UDP:
        message = "UDP is not supported here: no listener is opened on this port"
        yield Finding(about, "NoEffect", message, f"{path}.protocol", Severity.WARNING)
    if port.target_port:
        message = "targetPort has no effect: the service or defaultEndpoint decides the target"
        yield Finding(about, "NoEffect", message, f"{path}.targetPort", Severity.WARNING)
