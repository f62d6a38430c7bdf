"""Istio Gateway -> Gateway."""

from collections.abc import Iterable, Iterator

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.gateways import Gateway, ServedHost, Server, ServerProtocol
from mirrorplane.api.hosts import collapsed, host_problem, is_ip, literal
from mirrorplane.api.kinds.istio import gateway as istio
from mirrorplane.api.mesh import Lowered
from mirrorplane.api.meta import Object, Ref
from mirrorplane.api.units import PORTS
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Input
from mirrorplane.translators.istio.server_tls import NOT_SERVED, termination_of, tls_advice, tls_findings

_GRPC_WEB = "GRPC-WEB"
_HTTP = frozenset({"HTTP", "HTTP2", "GRPC", _GRPC_WEB})
_TLS = frozenset({"HTTPS", "TLS"})
_TCP = frozenset({"TCP", "MONGO", "REDIS", "MYSQL"})
_UNIX = "unix:"


def lower(_: View, obj: Object[istio.Gateway]) -> Lowered:
    """Return the gateway, with the servers that are served."""
    said = [(f"spec.servers[{i}]", server) for i, server in enumerate(obj.spec.servers)]
    gateway = Gateway(
        ref=obj.ref,
        selector=tuple(sorted(obj.spec.selector.items())),
        servers=tuple(_server(obj, path, server) for path, server in said if _is_served(server)),
        created=obj.created,
    )
    return Lowered(
        gateways=(gateway,), findings=tuple(f for path, server in said for f in _advice(obj.ref, path, server))
    )


def validate(obj: Object[istio.Gateway]) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses."""
    if not obj.spec.servers:
        yield Finding(obj.ref, "NoServers", "gateway must have at least one server", "spec.servers")
    names: set[str] = set()
    for i, server in enumerate(obj.spec.servers):
        path = f"spec.servers[{i}]"
        yield from _port_findings(obj.ref, f"{path}.port", server.port)
        yield from _host_findings(obj.ref, path, server)
        yield from _tls_findings(obj.ref, path, server)
        if server.bind and not is_ip(server.bind) and not server.bind.startswith(_UNIX):
            yield Finding(obj.ref, "InvalidAddress", f"{server.bind!r} is not an IP address", f"{path}.bind")
        if server.port is not None and server.port.name in names:
            message = f"port names in servers must be unique: duplicate name {server.port.name}"
            yield Finding(obj.ref, "DuplicatePort", message, f"{path}.port.name")
        names |= {server.port.name} if server.port is not None and server.port.name else set()


def _server(obj: Object[istio.Gateway], path: str, said: istio.Server) -> Server:
    assert said.port is not None
    protocol = _protocol(said)
    termination = termination_of(said.tls) if said.tls is not None and protocol in _TLS else None
    http = protocol in _HTTP or (protocol == "HTTPS" and termination is not None)
    return Server(
        number=said.port.number,
        protocol=ServerProtocol.HTTP if http else ServerProtocol.TCP,
        hosts=tuple(dict.fromkeys(_host(obj.ref.namespace, host) for host in said.hosts)),
        section_name=said.port.name,
        bind=collapsed(said.bind) if said.bind else "",
        tls=protocol in _TLS,
        termination=termination,
        redirect=said.tls is not None and said.tls.https_redirect,
        stat_prefix=said.name,
        path=path,
    )


def _host(namespace: str, said: str) -> ServedHost:
    owner, slash, host = said.rpartition("/")
    return ServedHost(literal(host), (namespace if owner == "." else owner) if slash else "*")


def _is_served(said: istio.Server) -> bool:
    return not said.bind.startswith(_UNIX) and (said.tls is None or said.tls.mode not in NOT_SERVED)


def _advice(about: Ref, path: str, said: istio.Server) -> Iterator[Finding]:
    if said.bind.startswith(_UNIX):
        message = "Unix domain sockets are not served: nothing listens for this server"
        yield Finding(about, "BindNotServed", message, f"{path}.bind", fix="bind it to an IP address")
    if said.default_endpoint:
        message = "gateways send nothing to a default endpoint: this changes nothing"
        yield Finding(about, "FieldUnused", message, f"{path}.defaultEndpoint", Severity.WARNING, "leave it out")
    if _protocol(said) == _GRPC_WEB:
        message = "it is served as HTTP, and nothing is translated to gRPC: the workload has to speak gRPC-Web"
        yield Finding(about, "NotTranslated", message, f"{path}.port.protocol", Severity.WARNING)
    if said.tls is not None and _protocol(said) in _TLS:
        yield from tls_advice(about, f"{path}.tls", said.tls)
        if said.tls.https_redirect:
            message = "what comes by TLS is https already: this changes nothing"
            where = f"{path}.tls.httpsRedirect"
            yield Finding(about, "FieldUnused", message, where, Severity.WARNING, "put it on the server for HTTP")


def _protocol(said: istio.Server) -> str:
    return said.port.protocol.upper() if said.port is not None else ""


def _port_findings(about: Ref, path: str, said: istio.Port | None) -> Iterator[Finding]:
    if said is None:
        yield Finding(about, "InvalidPort", "port is required", path)
        return
    if said.number not in PORTS:
        yield Finding(about, "InvalidPort", f"port {said.number} is not in 1..65535", f"{path}.number")
    if not said.name:
        yield Finding(about, "InvalidPort", "port name must be set", f"{path}.name")
    if said.protocol.upper() not in _HTTP | _TLS | _TCP:
        known = ", ".join(sorted(_HTTP | _TLS | _TCP))
        message = f'invalid protocol "{said.protocol}", supported protocols are {known}'
        yield Finding(about, "InvalidPort", message, f"{path}.protocol")
    if said.target_port:
        message = "targetPort has no impact on Gateways"
        yield Finding(about, "FieldUnused", message, f"{path}.targetPort", Severity.WARNING, "leave it out")


def _host_findings(about: Ref, path: str, said: istio.Server) -> Iterator[Finding]:
    if not said.hosts:
        yield Finding(about, "NoHosts", "server config must contain at least one host", f"{path}.hosts")
    for i, text in enumerate(said.hosts):
        owner, slash, host = text.rpartition("/")
        where = f"{path}.hosts[{i}]"
        if problem := host_problem(host):
            yield Finding(about, "InvalidHost", problem, where)
        elif "." not in host and host != "*" and not is_ip(host):
            message = f"short names (non FQDN) are not allowed: {host}"
            yield Finding(about, "InvalidHost", message, where)
        if slash and owner not in {"*", "."} and ("." in owner or host_problem(owner)):
            yield Finding(about, "InvalidHost", f"{owner!r} is not a namespace, nor `*` or `.`", where)


def _tls_findings(about: Ref, path: str, said: istio.Server) -> Iterator[Finding]:
    protocol, where = _protocol(said), f"{path}.tls"
    if protocol in _TLS:
        if said.tls is None:
            yield Finding(about, "InvalidTls", "server must have TLS settings for HTTPS/TLS protocols", where)
        else:
            yield from tls_findings(about, where, said.tls)
    elif protocol in _HTTP:
        if said.tls is not None and said.tls != istio.ServerTLSSettings(https_redirect=said.tls.https_redirect):
            message = "server cannot have TLS settings for plain text HTTP ports"
            yield Finding(about, "InvalidTls", message, where, fix="only httpsRedirect can be there")
    elif said.tls is not None:
        yield Finding(about, "InvalidTls", "server cannot have TLS settings for non HTTPS/TLS ports", where)


def _selection(obj: Object[istio.Gateway]) -> Iterable[str]:
    """File a gateway under the first label that it wants, so that a router finds it by its own."""
    return (next((f"{key}={value}" for key, value in sorted(obj.spec.selector.items())), "*"),)


def _name(obj: Object[istio.Gateway]) -> Iterable[str]:
    return (f"{obj.ref.namespace}/{obj.ref.name}",)


def _everywhere(_: Object[istio.Gateway]) -> Iterable[str]:
    return ("*",)


INPUT = Input(
    kinds=(istio.GATEWAY,),
    lower=lower,
    validate=validate,
    indexes={"gateways": _everywhere, "gateway.name": _name, "gateway.selector": _selection},
)
