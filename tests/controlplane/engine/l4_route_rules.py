"""Rules of the incremental machine about listeners for TLS, TCP and UDP, and the routes that are attached to them."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from mirrorplane.api.kinds import kube
from mirrorplane.api.kinds.gateway_api import GROUP, gateway, references
from mirrorplane.api.kinds.gateway_api import reference_grant as rg
from mirrorplane.api.kinds.gateway_api.tcp_route import TCP_ROUTE, TCPRoute, TCPRouteRule
from mirrorplane.api.kinds.gateway_api.tls_route import TLS_ROUTE, TLSRoute, TLSRouteRule
from mirrorplane.api.kinds.gateway_api.udp_route import UDP_ROUTE, UDPRoute, UDPRouteRule
from mirrorplane.api.meta import Kind, Wire

names, spaces = st.sampled_from(["a", "b"]), st.sampled_from(["red", "blue"])
hosts = st.sampled_from(["", "x.example.com", "*.example.com"])
PASSED = gateway.ListenerTLSConfig("Passthrough")
ENDED = gateway.ListenerTLSConfig("Terminate", (references.SecretObjectReference("a"),))
entrances = st.one_of(
    st.tuples(st.just(443), st.just("TLS"), hosts, st.sampled_from([PASSED, ENDED])),
    st.tuples(st.just(443), st.just("HTTPS"), hosts, st.just(ENDED)),
    st.tuples(st.sampled_from([443, 53]), st.sampled_from(["TCP", "UDP"]), st.just(""), st.none()),
)
backends = st.lists(st.tuples(names, spaces, st.sampled_from([53, 80]), st.integers(0, 2)), min_size=1, max_size=3)


class L4Routes:
    """A mixin for the machine, which has `_put`."""

    def _put(self, kind: Kind, ns: str, name: str, spec: Wire, **meta: Any) -> None:
        raise NotImplementedError

    @rule(ns=spaces, name=names, listeners=st.lists(entrances, min_size=1, max_size=4))
    def l4_listeners(self, ns: str, name: str, listeners: Sequence[tuple[int, str, str, Any]]) -> None:
        allowed = gateway.AllowedRoutes(gateway.RouteNamespaces("All"))
        spec = (
            gateway.Listener(f"l{i}", port, protocol, host, tls, allowed)
            for i, (port, protocol, host, tls) in enumerate(listeners)
        )
        self._put(gateway.GATEWAY, ns, name, gateway.Gateway("default", tuple(spec)))

    @rule(
        ns=spaces,
        name=names,
        parent=names,
        where=spaces,
        weighted=backends,
        host=hosts,
        created=st.sampled_from(["", "1", "2"]),
    )
    def l4_routes(self, ns, name, parent, where, weighted, host, created) -> None:
        """One route of each kind, at all listeners that accept it."""
        parents = (references.ParentReference(parent, namespace=where),)
        refs = tuple(references.BackendRef(n, namespace=space, port=port, weight=w) for n, space, port, w in weighted)
        tls = TLSRoute((host or "y.example.com", "z.example.com"), (TLSRouteRule(refs),), parents)
        self._put(TLS_ROUTE, ns, name, tls, created=created)
        self._put(TCP_ROUTE, ns, name, TCPRoute((TCPRouteRule(refs),), parents), created=created)
        self._put(UDP_ROUTE, ns, name, UDPRoute((UDPRouteRule(refs),), parents), created=created)

    @rule(ns=spaces, name=names, kind=st.sampled_from(["TLSRoute", "TCPRoute", "UDPRoute"]))
    def l4_grant(self, ns: str, name: str, kind: str) -> None:
        referrers = tuple(rg.ReferenceGrantFrom(GROUP, kind, space) for space in ("red", "blue"))
        self._put(rg.REFERENCE_GRANT, ns, name, rg.ReferenceGrant(referrers, (rg.ReferenceGrantTo("", "Service"),)))

    @rule(ns=spaces, name=names, protocols=st.sets(st.sampled_from(["TCP", "UDP"]), min_size=1))
    def service_with_udp(self, ns: str, name: str, protocols: set[str]) -> None:
        ports = (kube.ServicePort(53, name=p.lower(), protocol=p) for p in sorted(protocols))
        self._put(kube.SERVICE, ns, name, kube.ServiceSpec(tuple(ports), {"app": "a"}))
