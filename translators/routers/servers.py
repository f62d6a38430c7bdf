"""What a router listens on: the servers of all gateways that select it, merged by address and port (Istio's rules)."""

from collections.abc import Iterator

import msgspec

from mirrorplane.api.gateways import Gateway, Server, ServerProtocol, Termination
from mirrorplane.api.meta import Labels, Ref
from mirrorplane.api.proxy import ROUTER, Scope, Visibility
from mirrorplane.api.view import View
from mirrorplane.translators import names
from mirrorplane.translators.lookups.endpoints import port_of
from mirrorplane.translators.secrets import own_secrets
from mirrorplane.translators.sidecars.inbound import target_ports, workload_services

_PRIVILEGED = range(1, 1024)


class GatewayServer(msgspec.Struct, frozen=True, cache_hash=True):
    """A server at a router. `gateway` is what rules call its gateway, `port` the one that is listened on.

    `routes` is the name of its route configuration, "" where bytes are passed on.
    """

    about: Ref
    gateway: str
    server: Server
    port: int
    routes: str = ""


class ListenerBinding(msgspec.Struct, frozen=True):
    """An address and port that a router listens on, and the servers that share it, oldest first."""

    address: str
    port: int
    gateway_servers: tuple[GatewayServer, ...]

    @property
    def udp(self) -> bool:
        """Whether it is for UDP."""
        return self.gateway_servers[0].server.protocol is ServerProtocol.UDP

    @property
    def name(self) -> str:
        """The name of its listener."""
        return names.listener(self.address, self.port, udp=self.udp)


class UnservedServer(msgspec.Struct, frozen=True):
    """A server that a router does not listen for, and a sentence that says why."""

    about: Ref
    server: Server
    why: str


class MergedServers(msgspec.Struct, frozen=True):
    """What a router listens on, by address and port, and what had to be left out."""

    bindings: tuple[ListenerBinding, ...]
    left_out: tuple[UnservedServer, ...]


def merge_servers(view: View, scope: Scope) -> MergedServers:
    """Return what a router of this scope listens on.

    Istio: the oldest gateway wins. Plain HTTP servers share a port, and so do servers for TLS that take different
    hosts; nothing else does. UDP has ports of its own.
    """
    found: dict[tuple[str, int, bool], _Place] = {}
    left_out: list[UnservedServer] = []
    for gateway in _gateways(view, scope):
        for server in gateway.servers:
            for port in _ports(view, scope, server):
                gateway_server = GatewayServer(gateway.ref, gateway.name, server, port, _routes(gateway, server, port))
                at = (server.bind or scope.bind, port, server.protocol is ServerProtocol.UDP)
                place = found.get(at) or _Place()
                why = _bound(scope, port) or place.conflict(server)
                if why:
                    left_out.append(UnservedServer(gateway.ref, server, why))
                else:
                    place.add(gateway_server)
                    found[at] = place
    bindings = (ListenerBinding(*at[:2], tuple(place.gateway_servers)) for at, place in sorted(found.items()))
    return MergedServers(tuple(bindings), tuple(left_out))


def gateway_servers(view: View, scope: Scope, routes: str) -> tuple[GatewayServer, ...]:
    """Return the servers that share a route configuration, oldest first."""
    bindings = view.memo(merge_servers, scope).bindings
    return tuple(
        gateway_server
        for binding in bindings
        for gateway_server in binding.gateway_servers
        if gateway_server.routes == routes
    )


def tls_problem(view: View, scope: Scope, gateway_server: GatewayServer) -> str:
    """Say why TLS cannot be taken off at a server, so that nobody is let in there; "" when it can, or need not be."""
    said = gateway_server.server.termination
    return own_secrets.termination_problem(view, scope, said) if said is not None else ""


def terminations(view: View, scope: Scope) -> tuple[Termination, ...]:
    """Return how TLS is taken off at the servers of a router, for each where it is."""
    said = (
        gateway_server.server.termination
        for binding in view.memo(merge_servers, scope).bindings
        for gateway_server in binding.gateway_servers
    )
    return tuple(one for one in said if one is not None)


def unserved_servers(view: View, scope: Scope) -> tuple[UnservedServer, ...]:
    """Return every server that a router does not take anybody in at, and why."""
    found = view.memo(merge_servers, scope)
    shut = [
        UnservedServer(gateway_server.about, gateway_server.server, why)
        for binding in found.bindings
        for gateway_server in binding.gateway_servers
        if (why := tls_problem(view, scope, gateway_server))
    ]
    return (*found.left_out, *shut)


def joined_key(gateway: Ref) -> str:
    """Return the key under which the index `gateway.joined` finds what joins a gateway, at whatever routers it has."""
    return f"{gateway.kind}|{gateway.namespace}/{gateway.name}"


def selected_scope(view: View, gateway: Gateway) -> Scope:
    """Return the scope of a router that has just the labels that a gateway selects, beside the gateway."""
    namespace = gateway.router_namespace or gateway.ref.namespace
    refs, visibility = view.memo(_selecting, gateway.selector, namespace), Visibility(namespace)
    return Scope(ROUTER, visibility, bind=names.ANY_ADDRESS, gateways=refs, workload=gateway.selector)


def _selecting(view: View, labels: Labels, namespace: str) -> tuple[Ref, ...]:
    """Return the gateways that select routers with these labels in a namespace."""
    places = ("*", *(f"{key}={value}" for key, value in labels))
    found = [g for key in places for obj in view.by("gateway.selector", key) for g in view.lowered(obj.ref).gateways]
    return tuple(sorted(g.ref for g in found if g.selects(labels, namespace)))


def _gateways(view: View, scope: Scope) -> list[Gateway]:
    """Return the gateways of a scope, and those that join them, oldest first."""
    refs = dict.fromkeys(one for ref in scope.gateways for one in (ref, *_joining(view, ref)))
    return sorted((gateway for ref in refs for gateway in view.lowered(ref).gateways), key=lambda one: one.age)


def _joining(view: View, ref: Ref) -> Iterator[Ref]:
    yield from (obj.ref for obj in view.by("gateway.joined", joined_key(ref)))


def _ports(view: View, scope: Scope, server: Server) -> tuple[int, ...]:
    """Return what is listened on for a port: that of the router behind the oldest service with this port (Istio)."""
    number = server.number
    for service in view.memo(workload_services, scope.namespace, scope.workload):
        port = port_of(service, number, udp=server.protocol is ServerProtocol.UDP)
        if port is not None and isinstance(port.target_port, int):
            return (port.target_port or number,)
        if port is not None:
            return view.memo(target_ports, service, port) or (number,)
    return (number,)


def _routes(gateway: Gateway, server: Server, port: int) -> str:
    """Return the name of a server's route configuration, Istio's: plain HTTP servers of a port share one."""
    if server.protocol is not ServerProtocol.HTTP:
        return ""
    bind = f".{server.bind}" if server.bind else ""
    if server.tls:
        api = f".{gateway.api}" if gateway.api else ""
        return f"https.{server.number}.{server.section_name}.{gateway.ref.name}.{gateway.ref.namespace}{bind}{api}"
    return f"http.{port}{bind}"


def _bound(scope: Scope, port: int) -> str:
    if scope.unprivileged and port in _PRIVILEGED:
        return f"the router is unprivileged and cannot listen on port {port}"
    return ""


class _Place:
    """An address and port while servers are put there."""

    def __init__(self) -> None:
        self.gateway_servers: list[GatewayServer] = []
        self._taken: dict[str, GatewayServer] = {}

    def add(self, gateway_server: GatewayServer) -> None:
        if (
            self.gateway_servers and not gateway_server.server.tls
        ):  # plain HTTP has one chain, however each server spells the address
            gateway_server = msgspec.structs.replace(gateway_server, routes=self.gateway_servers[0].routes)
        self.gateway_servers.append(gateway_server)
        self._taken |= {said.host: gateway_server for said in gateway_server.server.hosts}

    def conflict(self, server: Server) -> str:
        """Say why a server cannot join those that are there, or ""."""
        if not self.gateway_servers:
            return ""
        first = self.gateway_servers[0]
        alone = not server.tls and {server.protocol, first.server.protocol} != {ServerProtocol.HTTP}
        if server.tls != first.server.tls or alone:
            share = "only HTTP with HTTP, or TLS with TLS, can share it"
            return f"{_whose(first)} is older and has port {server.number}: {share}"
        for said in server.hosts if server.tls else ():
            if said.host in self._taken:
                return (
                    f"{_whose(self._taken[said.host])} is older and takes {said.host} on port {server.number} already"
                )
        return ""


def _whose(gateway_server: GatewayServer) -> str:
    return f"{gateway_server.server.path} of {gateway_server.about}"
