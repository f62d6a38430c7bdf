"""Istio Gateway -> Gateway."""

from collections.abc import Iterable, Iterator

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.gateways import Gateway, ServedHost, Server, ServerProtocol
from mirrorplane.api.hosts import collapsed, host_problem, is_ip, is_partial, literal
from mirrorplane.api.kinds.istio import gateway as istio
from mirrorplane.api.mesh import Lowered
from mirrorplane.api.meta import Object, Ref
from mirrorplane.api.units import PORTS
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Input
from mirrorplane.translators.istio.partial_server_names import partial_server_name
from mirrorplane.translators.istio.server_tls import NOT_SERVED, termination_of, tls_advice, tls_findings
from mirrorplane.translators.secrets.router_accounts import (
    accounts_of_selector,
    annotated_accounts,
    remote_accounts_of_selector,
)

_GRPC_WEB = "GRPC-WEB"
_HTTP = frozenset({"HTTP", "HTTP2", "GRPC", _GRPC_WEB})
_TLS = frozenset({"HTTPS", "TLS"})
_TCP = frozenset({"TCP", "MONGO", "REDIS", "MYSQL"})
_UNIX = "unix:"


def lower(_: View, obj: Object[istio.Gateway]) -> Lowered:
    """Return the gateway with its supported servers."""
    servers = [(f"spec.servers[{i}]", server) for i, server in enumerate(obj.spec.servers)]
    selector = tuple(sorted(obj.spec.selector.items()))
    gateway = Gateway(
        ref=obj.ref,
        selector=selector,
        servers=tuple(_server(obj, path, server) for path, server in servers if _is_served(server)),
        created=obj.created,
        service_accounts=(*accounts_of_selector(selector), *annotated_accounts(obj.annotations)),
        remote_accounts=remote_accounts_of_selector(selector),
    )
    return Lowered(
        gateways=(gateway,), findings=tuple(f for path, server in servers for f in _advice(obj.ref, path, server))
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


def _server(obj: Object[istio.Gateway], path: str, spec: istio.Server) -> Server:
    assert spec.port is not None
    protocol = _protocol(spec)
    termination = termination_of(spec.tls) if spec.tls is not None and protocol in _TLS else None
    http = protocol in _HTTP or (protocol == "HTTPS" and termination is not None)
    return Server(
        number=spec.port.number,
        protocol=ServerProtocol.HTTP if http else ServerProtocol.TCP,
        hosts=tuple(dict.fromkeys(_host(obj.ref.namespace, host) for host in spec.hosts)),
        section_name=spec.port.name,
        bind=collapsed(spec.bind) if spec.bind else "",
        tls=protocol in _TLS,
        termination=termination,
        redirect=spec.tls is not None and spec.tls.https_redirect,
        stat_prefix=spec.name,
        path=path,
    )


def _host(namespace: str, spec: str) -> ServedHost:
    owner, slash, host = spec.rpartition("/")
    # Istio: rules of every namespace may have a host that names none.
    return ServedHost(literal(host), (namespace if owner == "." else owner) if slash else "*")


def _is_served(spec: istio.Server) -> bool:
    return not spec.bind.startswith(_UNIX) and (spec.tls is None or spec.tls.mode not in NOT_SERVED)


def _advice(about: Ref, path: str, spec: istio.Server) -> Iterator[Finding]:
    if spec.bind.startswith(_UNIX):
        message = "Unix domain sockets are not supported: no listener is opened for this server"
        yield Finding(about, "BindNotServed", message, f"{path}.bind", fix="bind to an IP address")
    if spec.default_endpoint:
        message = "defaultEndpoint has no effect at gateways"
        yield Finding(about, "FieldUnused", message, f"{path}.defaultEndpoint", Severity.WARNING, "remove it")
    if _protocol(spec) == _GRPC_WEB:
        message = "GRPC-WEB is served as HTTP without translation to gRPC: the workload must support gRPC-Web"
        yield Finding(about, "NotTranslated", message, f"{path}.port.protocol", Severity.WARNING)
    if spec.tls is not None and _protocol(spec) in _TLS:
        yield from tls_advice(about, f"{path}.tls", spec.tls)
        if spec.tls.https_redirect:
            message = "httpsRedirect has no effect on a server with TLS"
            field = f"{path}.tls.httpsRedirect"
            yield Finding(about, "FieldUnused", message, field, Severity.WARNING, "set it on the HTTP server")


def _protocol(spec: istio.Server) -> str:
    return spec.port.protocol.upper() if spec.port is not None else ""


def _port_findings(about: Ref, path: str, spec: istio.Port | None) -> Iterator[Finding]:
    if spec is None:
        yield Finding(about, "InvalidPort", "port is required", path)
        return
    if spec.number not in PORTS:
        yield Finding(about, "InvalidPort", f"port {spec.number} is not in 1..65535", f"{path}.number")
    if not spec.name:
        yield Finding(about, "InvalidPort", "port name must be set", f"{path}.name")
    if spec.protocol.upper() not in _HTTP | _TLS | _TCP:
        supported = ", ".join(sorted(_HTTP | _TLS | _TCP))
        message = f'invalid protocol "{spec.protocol}", supported protocols are {supported}'
        yield Finding(about, "InvalidPort", message, f"{path}.protocol")
    if spec.target_port:
        message = "targetPort has no impact on Gateways"
        yield Finding(about, "FieldUnused", message, f"{path}.targetPort", Severity.WARNING, "remove it")


def _host_findings(about: Ref, path: str, spec: istio.Server) -> Iterator[Finding]:
    if not spec.hosts:
        yield Finding(about, "NoHosts", "server config must contain at least one host", f"{path}.hosts")
    for i, text in enumerate(spec.hosts):
        owner, slash, host = text.rpartition("/")
        host_path = f"{path}.hosts[{i}]"
        if problem := host_problem(host):
            yield Finding(about, "InvalidHost", problem, host_path)
        elif "." not in host and host != "*" and not is_ip(host):
            message = f"short names (non FQDN) are not allowed: {host}"
            yield Finding(about, "InvalidHost", message, host_path)
        elif is_partial(host) and _protocol(spec) in _TLS:
            yield partial_server_name(about, host, host_path)
        if slash and owner not in {"*", "."} and (set(owner) & {".", "*"} or host_problem(owner)):
            yield Finding(about, "InvalidHost", f"{owner!r} is not a namespace, nor `*` or `.`", host_path)


def _tls_findings(about: Ref, path: str, spec: istio.Server) -> Iterator[Finding]:
    protocol, tls_path = _protocol(spec), f"{path}.tls"
    if protocol in _TLS:
        if spec.tls is None:
            yield Finding(about, "InvalidTls", "server must have TLS settings for HTTPS/TLS protocols", tls_path)
        else:
            yield from tls_findings(about, tls_path, spec.tls)
    elif protocol in _HTTP:
        if spec.tls is not None and spec.tls != istio.ServerTLSSettings(https_redirect=spec.tls.https_redirect):
            message = "server cannot have TLS settings for plain text HTTP ports"
            yield Finding(about, "InvalidTls", message, tls_path, fix="keep only httpsRedirect")
    elif spec.tls is not None:
        yield Finding(about, "InvalidTls", "server cannot have TLS settings for non HTTPS/TLS ports", tls_path)


def _selection(obj: Object[istio.Gateway]) -> Iterable[str]:
    """Index a gateway by the first label of its selector, so that a router looks it up by its own labels."""
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
