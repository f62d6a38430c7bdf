"""Which hosts a router serves by which rules is what comes of looking at every server's host and every rule's."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirrorplane.api.gateways import narrower
from mirrorplane.api.hosts import exported
from mirrorplane.api.kinds.istio import gateway as gw
from mirrorplane.api.kinds.istio import virtual_service as vs
from mirrorplane.api.meta import Object, Ref
from mirrorplane.api.proxy import Proxy
from mirrorplane.controlplane.engine.catalogue import catalogue
from mirrorplane.controlplane.engine.store import Store
from mirrorplane.translators import partitions
from mirrorplane.translators.lookups.services import table_rank
from mirrorplane.translators.routers import hosts
from mirrorplane.translators.routers.servers import gateway_servers
from mirrorplane.translators.scopes import criteria, scope_of
from tests.builders import PlainView

EDGE = Proxy("router", "edge", "red")
ROUTES = "http.80"
spaces = st.sampled_from(["red", "blue"])
names = st.sampled_from(["*", "*.com", "*.a.com", "x.a.com", "y.a.com", "b.com", "x.org"])
served = st.tuples(st.sampled_from(["", "", "./", "*/", "blue/"]), names).map("".join)
gateways = st.lists(
    st.tuples(spaces, st.lists(served, min_size=1, max_size=3, unique=True), st.booleans()), min_size=1, max_size=3
)
rules = st.lists(
    st.tuples(
        spaces,
        st.lists(names, min_size=1, max_size=2, unique=True),
        st.lists(st.sampled_from(["red/g0", "blue/g0", "red/g1", "blue/g2", "mesh"]), min_size=1, max_size=2),
        st.sampled_from([(), (".",), ("*",), ("red",)]),
        st.booleans(),
    ),
    max_size=5,
)


@pytest.fixture(params=[128, 0], ids=["one part", "many parts"], autouse=True)
def short(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(partitions, "SHORT", request.param)
        yield


@given(gateways, rules)
def test_hosts_and_rules_are_those_of_every_pair(gateway_specs, rule_specs):
    store = Store(catalogue().inputs)
    for i, (namespace, names, redirect) in enumerate(gateway_specs):
        tls = gw.ServerTLSSettings(https_redirect=True) if redirect else None
        spec = gw.Gateway((gw.Server(gw.Port(80, "HTTP", "http"), hosts=tuple(names), tls=tls),))
        ref = Ref(gw.GATEWAY.key, namespace, f"g{i}")
        store.apply(ref, Object(ref, spec, created=f"2024-0{3 - i}"))
    for i, (namespace, names, gateway_names, export, everything) in enumerate(rule_specs):
        match = vs.MatchRequest(uri=vs.StringMatch(prefix="/" if everything else f"/{i}"))
        rule = vs.HTTPRoute(match=(match,), redirect=vs.Redirect(uri=f"/{i}"))
        ref = Ref(vs.VIRTUAL_SERVICE.key, namespace, f"v{i}")
        store.apply(ref, Object(ref, vs.VirtualService(tuple(names), tuple(gateway_names), (rule,), export_to=export)))
    view = PlainView(store.freeze(), catalogue().inputs)
    scope = scope_of(EDGE, criteria(view))
    divided = hosts.partitions(view, scope, ROUTES)
    served = [host for partition in divided for host in hosts.hosts(view, scope, ROUTES, partition)]
    assert len(served) == len(set(served))
    assert {host: meaning(hosts.find_host_rules(view, scope, ROUTES, host)) for host in served} == by_pairs(view, scope)


def meaning(host_rules: hosts.HostRules) -> tuple[list[str], bool]:
    return [route.action.path for route in host_rules.routes], host_rules.https_only


def by_pairs(view: PlainView, scope) -> dict[str, tuple[list[str], bool]]:
    """Every server's host with every rule's, the narrower of both."""
    tables_by_host: dict[str, dict[Ref, object]] = {}
    servers = gateway_servers(view, scope, ROUTES)
    tables = [t for ref in view._snapshot.objects for t in view.lowered(ref).tables]
    for gateway_server in servers:
        for served in gateway_server.server.hosts:
            if gateway_server.server.redirect:
                tables_by_host.setdefault(served.host, {})
            for table in (t for t in tables if gateway_server.gateway in t.gateways and served.admits(t.ref.namespace)):
                if exported(table.export_to, table.ref.namespace, scope.namespace):
                    for host in filter(None, (narrower(served.host, rule_host) for rule_host in table.hosts)):
                        tables_by_host.setdefault(host, {})[table.ref] = table
    return {
        host: (_ordered(scope, list(host_tables.values())), _secure(servers, host))
        for host, host_tables in tables_by_host.items()
    }


def _ordered(scope, tables) -> list[str]:
    winners_first = sorted(tables, key=lambda table: table_rank(scope.visibility, table))
    routes = [route for table in winners_first for route in table.routes]
    return [r.action.path for r in sorted(routes, key=lambda r: r.match.path.value == "/")]


def _secure(servers, host: str) -> bool:
    for gateway_server in servers:
        if any(narrower(served.host, host) == host for served in gateway_server.server.hosts):
            return gateway_server.server.redirect
    return False
