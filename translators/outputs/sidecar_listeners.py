"""Listeners of a sidecar: one for each port that visible services have, and the HTTP proxy's."""

from api.proxy import SIDECAR, Scope
from api.resource import LISTENER, Resource
from api.view import View
from translators import envoy, names, visible
from translators.contract import Output
from translators.parts import chains
from translators.settings import mesh

_PRIVILEGED = range(1, 1024)


def listeners(view: View, scope: Scope) -> tuple[tuple[str, ...]]:
    """Return the names, `address_port` (Istio). An unprivileged proxy has none below port 1024: it could not bind."""
    proxy = view.memo(mesh).proxy_http_port
    numbers = {use.number for use in view.memo(visible.ports, scope.viewer)} | ({proxy} if proxy else set())
    bound = sorted(n for n in numbers if not (scope.unprivileged and n in _PRIVILEGED))
    return (tuple(names.listener(scope.bind, number) for number in bound),)


def build(view: View, scope: Scope, name: str) -> Resource | None:
    """Return one listener. The HTTP proxy's port is its own: a service on the same port is reached through it."""
    port = int(name.rpartition("_")[2])
    body = envoy.Listener(name=name, traffic_direction="OUTBOUND")
    body.address.socket_address.CopyFrom(envoy.SocketAddress(address=scope.bind, port_value=port))
    routes = str(port)
    use = visible.use_of(view, scope.viewer, port)
    if port == view.memo(mesh).proxy_http_port:
        routes = names.HTTP_PROXY
        body.filter_chains.append(_http_chain(view, scope, port, routes))
    elif use is None:
        return None
    elif use.http:
        body.filter_chains.append(_http_chain(view, scope, port, routes))
        _fall_back(view, scope, use, body)
    else:
        routes = ""
        body.filter_chains.append(_tcp_chain(view, scope, use))
    return envoy.resource(LISTENER, name, envoy.encode(body), uses=(routes,) if routes else ())


def _fall_back(view: View, scope: Scope, use: visible.PortUse, body: envoy.Listener) -> None:
    """Where a service does not say that it is HTTP, look at the first bytes: what is not HTTP goes to that service."""
    if use.only_http:
        return
    body.filter_chains[0].filter_chain_match.application_protocols.extend(chains.HTTP_ALPN)
    body.filter_chains[0].filter_chain_match.transport_protocol = "raw_buffer"
    body.default_filter_chain.CopyFrom(_tcp_chain(view, scope, use))
    for name, config in (("tls", envoy.TlsInspector()), ("http", envoy.HttpInspector())):
        inspector = f"envoy.filters.listener.{name}_inspector"
        body.listener_filters.add(name=inspector, typed_config=envoy.packed(config))
    body.listener_filters_timeout.CopyFrom(envoy.duration(view.memo(mesh).detection_ms))
    body.continue_on_listener_filters_timeout = True


def _http_chain(view: View, scope: Scope, port: int, routes: str) -> envoy.FilterChain:
    prefix = f"outbound_{names.listener(scope.bind, port)}"
    return envoy.FilterChain(filters=[chains.http(view, scope, routes, prefix)])


def _tcp_chain(view: View, scope: Scope, use: visible.PortUse) -> envoy.FilterChain:
    """Return a chain to the oldest service that does not say it is HTTP: without a name or address, one must win."""
    assert use.first is not None
    return envoy.FilterChain(filters=[chains.tcp(view, scope.caller, names.called(use.first[1], use.number))])


OUTPUT = Output(LISTENER, listeners, build, serves=lambda scope: scope.role == SIDECAR)
