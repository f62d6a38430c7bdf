"""The listeners of a router: the servers of all gateways that select it, merged by address and port (Istio)."""

from collections.abc import Iterator

import msgspec

from mirrorplane.api.gateways import Gateway, Server, ServerProtocol, Termination
from mirrorplane.api.meta import Ref
from mirrorplane.api.proxy import ROUTER, Scope, Visibility
from mirrorplane.api.view import View
from mirrorplane.translators import names
from mirrorplane.translators.lookups.endpoints import port_of
from mirrorplane.translators.lookups.gateways import selecting_gateways
from mirrorplane.translators.secrets import own_secrets
from mirrorplane.translators.secrets.router_accounts import ANNOTATION
from mirrorplane.translators.sidecars.inbound import target_ports, workload_services

# Without CAP_NET_BIND_SERVICE Envoy cannot bind these; Istio leaves them out for UNPRIVILEGED_POD too.
_PRIVILEGED = range(1, 1024)
_AUTHENTICATE = "start serve with --client-ca or --jwks, and the router with a client certificate or token"


class GatewayServer(msgspec.Struct, frozen=True, cache_hash=True):
    """A server at a router. `gateway` is the name that rules have for its gateway, `port` the one of the listener.

    `route_config_name` is the name of its route configuration, "" for L4.
    """

    about: Ref
    gateway: str
    server: Server
    port: int
    route_config_name: str = ""


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
    """A server that a router has no working listener for, the reason, and what to do where that is not evident."""

    about: Ref
    server: Server
    reason: str
    fix: str = ""

    @property
    def explanation(self) -> str:
        """The reason, and what to do."""
        return f"{self.reason} ({self.fix})" if self.fix else self.reason


class MergedServers(msgspec.Struct, frozen=True):
    """The listeners of a router, by address and port, and the servers without one."""

    bindings: tuple[ListenerBinding, ...]
    unserved: tuple[UnservedServer, ...]


def merge_servers(view: View, scope: Scope) -> MergedServers:
    """Return the listeners of a router of this scope.

    Istio: the oldest gateway wins a conflict. Plain HTTP servers share a port, and so do TLS servers with different
    hosts; no others do. UDP has ports of its own.
    """
    groups: dict[tuple[str, int, bool], _Group] = {}
    unserved: list[UnservedServer] = []
    for gateway in _gateways(view, scope):
        for server in gateway.servers:
            for port in _listener_ports(view, scope, server):
                key = (server.bind or scope.bind, port, server.protocol is ServerProtocol.UDP)
                group = groups.get(key) or _Group()
                if scope.unprivileged and port in _PRIVILEGED:
                    unserved.append(_privileged(gateway.ref, server, port))
                elif reason := group.conflict(server):
                    unserved.append(UnservedServer(gateway.ref, server, reason))
                else:
                    route_config_name = _configuration_name(gateway, server, port)
                    group.add(GatewayServer(gateway.ref, gateway.name, server, port, route_config_name))
                    groups[key] = group
    bindings = (ListenerBinding(*key[:2], tuple(group.gateway_servers)) for key, group in sorted(groups.items()))
    return MergedServers(tuple(bindings), tuple(unserved))


def gateway_servers(view: View, scope: Scope, route_config_name: str) -> tuple[GatewayServer, ...]:
    """Return the servers that share a route configuration, oldest first."""
    return tuple(server for server in _served(view, scope) if server.route_config_name == route_config_name)


def tls_problem(view: View, scope: Scope, gateway_server: GatewayServer) -> UnservedServer | None:
    """Return why TLS cannot be terminated at a server, which keeps it closed; None when it can, or need not be."""
    about, server = gateway_server.about, gateway_server.server
    if server.termination is None:
        return None
    if own_secrets.uses_secrets(server.termination) and about not in view.memo(_entrusting, scope):
        return _withheld(view, scope, gateway_server)
    reason = own_secrets.missing_secret(view, scope.namespace, server.termination)
    return UnservedServer(about, server, reason) if reason else None


def entrusted_terminations(view: View, scope: Scope) -> tuple[Termination, ...]:
    """Return how TLS is terminated at those servers of a router whose Secrets it may be sent. See decision 0133."""
    entrusting = view.memo(_entrusting, scope)
    every = (server.server.termination for server in _served(view, scope) if server.about in entrusting)
    return tuple(termination for termination in every if termination is not None)


def terminations(view: View, scope: Scope) -> tuple[Termination, ...]:
    """Return how TLS is terminated at each server of a router where it is."""
    every = (gateway_server.server.termination for gateway_server in _served(view, scope))
    return tuple(termination for termination in every if termination is not None)


def unserved_servers(view: View, scope: Scope) -> tuple[UnservedServer, ...]:
    """Return every server that accepts no connections at a router, with the reason."""
    closed = (tls_problem(view, scope, gateway_server) for gateway_server in _served(view, scope))
    return (*view.memo(merge_servers, scope).unserved, *filter(None, closed))


def joined_key(gateway: Ref) -> str:
    """Return the key of a gateway in the index `gateway.joined`, which has the objects that join it."""
    return f"{gateway.kind}|{gateway.namespace}/{gateway.name}"


def selected_scope(view: View, gateway: Gateway) -> Scope:
    """Return the scope of a router that has just the labels that a gateway selects, for checks and statuses."""
    namespace = gateway.router_namespace or gateway.ref.namespace
    refs, visibility = view.memo(selecting_gateways, gateway.selector, namespace), Visibility(namespace)
    return Scope(ROUTER, visibility, bind=names.ANY_ADDRESS, gateways=refs, workload_labels=gateway.selector)


def _entrusting(view: View, scope: Scope) -> frozenset[Ref]:
    """Return the gateways whose Secrets a router is sent, and the objects that join them."""
    return frozenset(ref for gateway in scope.secret_gateways for ref in (gateway, *_joining(view, gateway)))


def _withheld(view: View, scope: Scope, gateway_server: GatewayServer) -> UnservedServer:
    """Return why the Secrets of a server are not sent to a router."""
    about = gateway_server.about
    owner = next((ref for ref in scope.gateways if about in (ref, *_joining(view, ref))), about)
    return UnservedServer(about, gateway_server.server, *withheld_secrets(view, scope, owner))


def withheld_secrets(view: View, scope: Scope, gateway: Ref) -> tuple[str, str]:
    """Return why a router is not sent the Secrets of a gateway, and what to do. See decisions 0026 and 0133."""
    if not scope.identity:
        return "the router is not authenticated, and Secrets are sent only to authenticated routers", _AUTHENTICATE
    account = scope.identity.rpartition("/sa/")[2]
    nouns = view.lowered(gateway).gateways
    if gateway.namespace == scope.namespace:
        accounts = [name for noun in nouns for name in noun.service_accounts]
        fix = f"list {account} in the annotation {ANNOTATION} of {gateway}"
    else:
        accounts = [name for noun in nouns for name in noun.remote_accounts]
        fix = f"list {scope.namespace}/{account} in routerServiceAccounts of MeshConfig"
    expected = f"only {' and '.join(accounts)}" if accounts else "none"
    return f"service account {account} is not that of a router of {gateway} ({expected}), so it is sent no Secrets", fix


def _served(view: View, scope: Scope) -> Iterator[GatewayServer]:
    for binding in view.memo(merge_servers, scope).bindings:
        yield from binding.gateway_servers


def _gateways(view: View, scope: Scope) -> list[Gateway]:
    """Return the gateways of a scope, and the objects that join them, oldest first."""
    refs = dict.fromkeys(ref for gateway in scope.gateways for ref in (gateway, *_joining(view, gateway)))
    return sorted((gateway for ref in refs for gateway in view.lowered(ref).gateways), key=lambda gateway: gateway.age)


def _joining(view: View, ref: Ref) -> Iterator[Ref]:
    yield from (obj.ref for obj in view.by("gateway.joined", joined_key(ref)))


def _listener_ports(view: View, scope: Scope, server: Server) -> tuple[int, ...]:
    """Return the router's own ports for a server's: the target of the oldest service with that port (Istio)."""
    number = server.number
    for service in view.memo(workload_services, scope.namespace, scope.workload_labels):
        port = port_of(service, number, udp=server.protocol is ServerProtocol.UDP)
        if port is not None and isinstance(port.target_port, int):
            return (port.target_port or number,)
        if port is not None:
            return view.memo(target_ports, service, port) or (number,)
    return (number,)


def _configuration_name(gateway: Gateway, server: Server, port: int) -> str:
    """Return the name of a server's route configuration, Istio's: plain HTTP servers of a port share one."""
    if server.protocol is not ServerProtocol.HTTP:
        return ""
    bind = f".{server.bind}" if server.bind else ""
    if server.tls:
        api = f".{gateway.api}" if gateway.api else ""
        # Istio: here the server's own number, below the one that the router listens on.
        return f"https.{server.number}.{server.section_name}.{gateway.ref.name}.{gateway.ref.namespace}{bind}{api}"
    return f"http.{port}{bind}"


def _privileged(about: Ref, server: Server, port: int) -> UnservedServer:
    reason = f"the router is unprivileged and cannot listen on port {port}"
    return UnservedServer(about, server, reason, "use a port of 1024 or above, or start the router as root")


class _Group:
    """The servers of an address and port, while they are collected."""

    def __init__(self) -> None:
        self.gateway_servers: list[GatewayServer] = []
        self._by_host: dict[str, GatewayServer] = {}

    def add(self, gateway_server: GatewayServer) -> None:
        """Add a server that conflicts with none."""
        if self.gateway_servers and not gateway_server.server.tls:
            # Plain HTTP has one filter chain, however each server spells the address.
            gateway_server = msgspec.structs.replace(
                gateway_server, route_config_name=self.gateway_servers[0].route_config_name
            )
        self.gateway_servers.append(gateway_server)
        self._by_host |= {served.host: gateway_server for served in gateway_server.server.hosts}

    def conflict(self, server: Server) -> str:
        """Return why a server cannot share the port with the older ones, or ""."""
        if not self.gateway_servers:
            return ""
        oldest = self.gateway_servers[0]
        # In plain text only HTTP says which server a connection is for.
        exclusive = not server.tls and {server.protocol, oldest.server.protocol} != {ServerProtocol.HTTP}
        if server.tls != oldest.server.tls or exclusive:
            share = "only HTTP with HTTP, or TLS with TLS, can share it"
            return f"{_describe(oldest)} is older and has port {server.number}; {share}"
        for served in server.hosts if server.tls else ():
            if served.host in self._by_host:
                older = _describe(self._by_host[served.host])
                return f"{older} is older and has {served.host} on port {server.number}"
        return ""


def _describe(gateway_server: GatewayServer) -> str:
    return f"{gateway_server.server.path} of {gateway_server.about}"
