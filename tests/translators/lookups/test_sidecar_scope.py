"""What a proxy with a Sidecar is served, held against a plain, slow model that is written from Istio's rules."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mirrorplane.api.kinds import kube
from mirrorplane.api.kinds.istio import service_entry as se
from mirrorplane.api.kinds.istio import sidecar as sc
from mirrorplane.api.kinds.istio import virtual_service as vs
from mirrorplane.api.meta import AnyObject, Object, Ref
from mirrorplane.api.proxy import Proxy
from mirrorplane.api.resource import CLUSTER, LISTENER, ROUTE, ResourceSet
from mirrorplane.controlplane.engine.catalogue import catalogue
from mirrorplane.controlplane.plane import Plane
from mirrorplane.translators import partitions
from tests.builders import decoded
from tests.profiles import examples

ROOT = "istio-system"
SVC = "svc.cluster.local"
EVERYWHERE, OWN = "*", "."
PROXY_PORT = 15080


class Port(msgspec.Struct, frozen=True):
    number: int
    http: bool


class Declared(msgspec.Struct, frozen=True):
    """A service: Kubernetes' where the name is its own, a ServiceEntry's where it is not."""

    host: str
    namespace: str
    name: str
    ports: tuple[Port, ...]
    export: tuple[str, ...]
    entry: bool
    created: str


class Rule(msgspec.Struct, frozen=True):
    source: str
    to: tuple[str, int]
    mirrors: tuple[tuple[str, int], ...]


class Rules(msgspec.Struct, frozen=True):
    namespace: str
    name: str
    hosts: tuple[str, ...]
    rules: tuple[Rule, ...]
    export: tuple[str, ...]
    created: str


class Listener(msgspec.Struct, frozen=True):
    port: int
    hosts: tuple[tuple[str, str], ...]


class Limits(msgspec.Struct, frozen=True):
    namespace: str
    name: str
    created: str
    labels: tuple[tuple[str, str], ...]
    listeners: tuple[Listener, ...]
    mode: str


class World(msgspec.Struct, frozen=True):
    services: tuple[Declared, ...]
    rules: tuple[Rules, ...]
    limits: tuple[Limits, ...]


class Served(msgspec.Struct, frozen=True):
    """Outbound clusters, clusters of copies, ports of listeners, and whose rules hold for which host on which port."""

    clusters: frozenset[tuple[str, int]]
    copies: frozenset[tuple[str, int]]
    listeners: frozenset[int]
    owners: frozenset[tuple[int, str, str]]
    blocked: bool


class Model:
    """What the specification says a proxy is served. No shortcuts."""

    def __init__(self, world: World, proxy: Proxy) -> None:
        self.world, self.proxy = world, proxy
        self.limits = self._limits()
        self.services = {h: s for h in {s.host for s in world.services} if (s := self._service(h))}

    def served(self) -> Served:
        used = {p.number for s in self.services.values() for p in s.ports if self._listed(s, p.number)}
        http = {p.number for s in self.services.values() for p in s.ports if p.http and self._listed(s, p.number)}
        owners = {(port, host, self._owner(host, port)) for port in http for host in self._names(port)}
        return Served(
            clusters=frozenset((s.host, p.number) for s in self.services.values() for p in s.ports),
            copies=frozenset(target for port, host, _ in owners for target in self._copies(host, port)),
            listeners=frozenset(used),
            owners=frozenset(
                (port, host, f"{owner.namespace}/{owner.name}" if owner else "") for port, host, owner in owners
            ),
            blocked=bool(self.limits and self.limits.mode == "REGISTRY_ONLY"),
        )

    def _limits(self) -> Limits | None:
        """Istio: those of the namespace with labels, then without; then that of the root namespace without."""
        labels = set(self.proxy.labels.items())
        in_namespace = [s for s in self.world.limits if s.namespace == self.proxy.namespace]
        root = [s for s in self.world.limits if s.namespace == ROOT and not s.labels]
        labelled, unlabelled = (
            [s for s in in_namespace if s.labels and set(s.labels) <= labels],
            [s for s in in_namespace if not s.labels],
        )
        for group in (labelled, unlabelled, root):
            if group:
                return min(group, key=lambda s: (s.created, s.name))
        return None

    @property
    def _listeners(self) -> tuple[Listener, ...]:
        everything = (Listener(0, ((EVERYWHERE, EVERYWHERE),)),)
        return (self.limits.listeners if self.limits else ()) or everything

    def _listener(self, port: int) -> Listener | None:
        for number in (port, 0):
            for listener in self._listeners:
                if listener.port == number:
                    return listener
        return None

    def _imports(self, listener: Listener, namespace: str, host: str, *, overlap: bool = False) -> bool:
        """Istio: rules hold where their hosts overlap with what is imported, services are imported by name."""
        is_selected, is_excluded = False, False
        for where, name in listener.hosts:
            bare = where.removeprefix("~")
            selected_namespace = self.proxy.namespace if bare == OWN else bare
            if selected_namespace not in {EVERYWHERE, namespace}:
                continue
            if where.startswith("~"):
                is_excluded |= within(host, name)
            else:
                is_selected |= within(host, name) or (overlap and within(name, host))
        return is_selected and not is_excluded

    def _visible(self, host: str) -> list[Declared]:
        return [s for s in self.world.services if s.host == host and seen(s.export, s.namespace, self.proxy.namespace)]

    def _service(self, host: str) -> Declared | None:
        """Istio: what is imported goes before what rules send to; own namespace, then Kubernetes', then the oldest."""
        visible = [(s, self._explicit(s)) for s in self._visible(host)]
        backend_ports = self._named(host)
        candidates = [(s, ports) for s, ports in visible if ports] or [(s, set()) for s, _ in visible if backend_ports]
        limited = [self._with_ports(s, ports | backend_ports) for s, ports in candidates]
        return min((s for s in limited if s.ports), key=self._rank, default=None)

    def _with_ports(self, service: Declared, numbers: set[int]) -> Declared:
        return msgspec.structs.replace(service, ports=tuple(p for p in service.ports if {0, p.number} & numbers))

    def _rank(self, service: Declared) -> tuple[bool, bool, str, str, str]:
        foreign = service.namespace != self.proxy.namespace
        return foreign, service.entry, service.created, service.name, service.namespace

    def _explicit(self, service: Declared) -> set[int]:
        importing = (
            listener.port for listener in self._listeners if self._imports(listener, service.namespace, service.host)
        )
        return {port for port in importing if port in {0, *(p.number for p in service.ports)}}

    def _named(self, host: str) -> set[int]:
        tables = (r for listener in self._listeners for r in self.world.rules if self._holds(listener, r))
        matching = (rule for rules in tables for rule in rules.rules if rule.source in {"", self.proxy.namespace})
        return {port for rule in matching for target, port in (rule.to, *rule.mirrors) if target == host}

    def _holds(self, listener: Listener, rules: Rules) -> bool:
        visible = seen(rules.export, rules.namespace, self.proxy.namespace)
        return visible and any(self._imports(listener, rules.namespace, h, overlap=True) for h in rules.hosts)

    def _listed(self, service: Declared, port: int) -> bool:
        listener = self._listener(port)
        return listener is not None and self._imports(listener, service.namespace, service.host)

    def _names(self, port: int) -> Iterator[str]:
        """Istio: services with the port, and hosts that only rules know, on the ports of the rules' other hosts."""
        listed = {
            s.host: {p.number for p in s.ports if p.http and self._listed(s, p.number)} for s in self.services.values()
        }
        yield from (host for host, ports in listed.items() if port in ports)
        foreign = set()
        listener = self._listener(port)
        for rules in (r for r in self.world.rules if listener and self._holds(listener, r)):
            ports_by_host = {
                h: {n for host, ports in listed.items() if within(host, h) for n in ports} for h in rules.hosts
            }
            serving = set().union(*ports_by_host.values()) or {80}
            foreign |= {h for h, ports in ports_by_host.items() if not ports and port in serving}
        yield from (h for h in foreign if self._owner(h, port))

    def _owner(self, host: str, port: int) -> Rules | None:
        """Istio: the most specific name, then private, exported and public rules, oldest first; one that says nothing
        to this client does not count."""
        listener = self._listener(port)
        claims = [
            (-len(name), *bucket(r, self.proxy.namespace), r.created, r.name, r.namespace, r)
            for r in self.world.rules
            for name in r.hosts
            if within(host, name) and listener and self._holds(listener, r) and self._rule(r)
        ]
        exact = [claim for claim in claims if host in claim[-1].hosts]
        return min(exact or claims, key=lambda claim: claim[:-1])[-1] if claims else None

    def _rule(self, rules: Rules) -> Rule | None:
        return next((rule for rule in rules.rules if rule.source in {"", self.proxy.namespace}), None)

    def _copies(self, host: str, port: int) -> Iterator[tuple[str, int]]:
        owner = self._owner(host, port)
        rule = self._rule(owner) if owner else None
        for target, named_port in rule.mirrors if rule else ():
            service = self.services.get(target)
            numbers = [p.number for p in service.ports] if service else []
            number = named_port or (numbers[0] if len(numbers) == 1 else port)
            if number in numbers:
                yield target, number


def _ports_within(listed: Mapping[str, set[int]], pattern: str) -> set[int]:
    return {number for host, ports in listed.items() if within(host, pattern) for number in ports}


def within(host: str, pattern: str) -> bool:
    """Whether all that a host or wildcard means is meant by another."""
    return pattern in {"*", host} or (pattern.startswith("*.") and host.endswith(pattern[1:]))


def bucket(rules: Rules, namespace: str) -> tuple[bool, bool]:
    """Private rules of the client's namespace, then those exported to it by name, then public ones from anywhere."""
    public = EVERYWHERE in rules.export
    return public, not public and rules.namespace != namespace


def seen(export: tuple[str, ...], owner: str, namespace: str) -> bool:
    return EVERYWHERE in export or namespace in export or (OWN in export and owner == namespace)


def manifests(world: World) -> Iterator[AnyObject]:
    for s in world.services:
        if s.entry:
            ports = tuple(se.Port(p.number, f"p{p.number}", "HTTP" if p.http else "TCP") for p in s.ports)
            spec: Any = se.ServiceEntry((s.host,), (), ports, "MESH_EXTERNAL", "DNS", (), None, s.export)
            yield Object(Ref("networking.istio.io/ServiceEntry", s.namespace, s.name), spec, created=s.created)
        else:
            kube_ports = tuple(kube.ServicePort(p.number, "http" if p.http else "tcp") for p in s.ports)
            export = {"networking.istio.io/exportTo": ",".join(s.export)}
            ref = Ref(kube.SERVICE.key, s.namespace, s.name)
            yield Object(ref, kube.ServiceSpec(kube_ports), annotations=export, created=s.created)
    for r in world.rules:
        spec = vs.VirtualService(r.hosts, http=tuple(map(http, r.rules)), export_to=r.export)
        yield Object(Ref(vs.VIRTUAL_SERVICE.key, r.namespace, r.name), spec, created=r.created)
    for x in world.limits:
        egress = tuple(
            sc.EgressListener(
                sc.SidecarPort(listener.port, "HTTP") if listener.port else None,
                hosts=tuple("/".join(host) for host in listener.hosts),
            )
            for listener in x.listeners
        )
        selector = se.WorkloadSelector(dict(x.labels)) if x.labels else None
        spec = sc.Sidecar(selector, (), egress, None, sc.OutboundTrafficPolicy(x.mode))
        yield Object(Ref(sc.SIDECAR.key, x.namespace, x.name), spec, created=x.created)


def http(rule: Rule) -> vs.HTTPRoute:
    return vs.HTTPRoute(
        match=(vs.MatchRequest(source_namespace=rule.source),) if rule.source else (),
        route=(vs.RouteDestination(destination(rule.to)),),
        mirrors=tuple(vs.MirrorPolicy(destination(target)) for target in rule.mirrors),
    )


def destination(target: tuple[str, int]) -> vs.Destination:
    return vs.Destination(target[0], port=vs.PortSelector(target[1]) if target[1] else None)


def actual(served: ResourceSet) -> Served:
    clusters = [name.split("|") for name in served.of_type(CLUSTER) if "|" in name]
    routes = {int(n): c["virtual_hosts"] for n, c in decoded(served, ROUTE).items() if n.isdigit()}
    owners = frozenset(
        (port, host["name"].rpartition(":")[0], owner_of(host["routes"][0]))
        for port, hosts in routes.items()
        for host in hosts[:-1]
    )
    ports = {int(name.rpartition("_")[2]) for name in served.of_type(LISTENER)} - {PROXY_PORT}
    return Served(
        clusters=frozenset((name, int(port)) for way, port, _, name in clusters if way == "outbound"),
        copies=frozenset((name, int(port)) for way, port, _, name in clusters if way == "mirror"),
        listeners=frozenset(ports),
        owners=owners,
        blocked=decoded(served, ROUTE)["http_proxy"]["virtual_hosts"][-1]["name"] == "block_all",
    )


def owner_of(route: dict[str, Any]) -> str:
    metadata = route.get("metadata", {}).get("filter_metadata", {}).get("istio", {}).get("config", "")
    return "/".join(str(metadata).split("/")[4::2])


spaces = st.sampled_from(["red", "blue"])
exports = st.sampled_from([("*",), ("*",), ("*",), (".",), ("red",), ("blue", "red")])
ages = st.sampled_from(["2023", "2024", "2025"])
hosts = st.sampled_from([f"a.red.{SVC}", f"a.blue.{SVC}", f"b.red.{SVC}", "x.example.com"])
patterns = st.one_of(hosts, st.sampled_from([f"*.red.{SVC}", f"*.{SVC}", "*.example.com", "z.example.com"]))
numbers = st.sampled_from([80, 8000])
targets = st.tuples(hosts, st.sampled_from([0, 0, 80, 8000]))
ports = st.lists(st.builds(Port, numbers, st.just(True)), min_size=1, max_size=2, unique_by=lambda p: p.number)
rules = st.builds(Rule, st.sampled_from(["", "", "red", "green"]), targets, st.lists(targets, max_size=2).map(tuple))
where = st.sampled_from(["*", ".", "red", "blue", "~", "~red", "~.", "~*"])
what = st.one_of(st.just("*"), patterns)
listeners = st.builds(
    Listener,
    st.sampled_from([0, 0, 80, 8000]),
    st.lists(st.tuples(where, what), min_size=1, max_size=3).map(tuple),
)


def unique(items: Iterable[Any]) -> tuple[Any, ...]:
    return tuple({(item.namespace, item.name, getattr(item, "entry", None)): item for item in items}.values())


@st.composite
def declared(draw: st.DrawFn) -> Declared:
    namespace, entry = draw(spaces), draw(st.booleans())
    name = draw(st.sampled_from("ab"))
    host = draw(hosts) if entry else f"{name}.{namespace}.{SVC}"
    declared_ports = draw(ports)
    if len(declared_ports) > 1 and draw(st.booleans()):
        declared_ports[1] = Port(9000, http=False)
    return Declared(host, namespace, name, tuple(declared_ports), draw(exports), entry, draw(ages))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    def of(kind: st.SearchStrategy[Any], most: int) -> tuple[Any, ...]:
        return unique(draw(st.lists(kind, max_size=most)))

    rule_names = st.sampled_from(["r", "s", "t"])
    host_lists = st.lists(patterns, min_size=1, max_size=2, unique=True).map(tuple)
    listener_lists = st.lists(listeners, max_size=3, unique_by=lambda listener: listener.port)
    labels = st.sampled_from([(), (), (("app", "sleep"),), (("app", "other"),)])
    spoken = st.builds(
        Rules, spaces, rule_names, host_lists, st.lists(rules, min_size=1, max_size=2).map(tuple), exports, ages
    )
    limited = st.builds(
        Limits,
        st.sampled_from(["red", "blue", ROOT]),
        rule_names,
        ages,
        labels,
        listener_lists.map(lambda found: tuple(sorted(found, key=lambda listener: not listener.port))),
        st.sampled_from(["ALLOW_ANY", "REGISTRY_ONLY"]),
    )
    return World(of(declared(), 6), of(spoken, 4), of(limited, 3))


RED, BLUE = f"a.red.{SVC}", f"a.blue.{SVC}"
TO_RED = (Rule("", (RED, 0), ()),)
NAMED_BY_RULES_THAT_DO_NOT_HOLD = World(
    (Declared(RED, "red", "a", (Port(80, True),), ("*",), False, "2023"),),
    (
        Rules("red", "r", (f"b.red.{SVC}",), TO_RED, ("*",), "2023"),
        Rules("red", "s", (f"*.red.{SVC}",), TO_RED, ("*",), "2023"),
    ),
    (Limits("red", "r", "2023", (), (Listener(0, (("*", RED), ("red", "*.example.com"))),), "ALLOW_ANY"),),
)
NAMED_BY_RULES_OF_OTHERS = World(
    (Declared(RED, "red", "a", (Port(80, True), Port(8000, True)), ("*",), False, "2023"),),
    (
        Rules("red", "r", (RED, BLUE), TO_RED, (".",), "2023"),
        Rules("red", "s", (BLUE,), TO_RED, ("*",), "2023"),
    ),
    (Limits("blue", "r", "2023", (), (Listener(0, (("*", "*"), ("*", RED))),), "ALLOW_ANY"),),
)


@pytest.mark.parametrize("many", [False, True], ids=["short", "in parts"])
@settings(max_examples=examples(2))
@given(world=worlds())
@example(world=NAMED_BY_RULES_THAT_DO_NOT_HOLD)
@example(world=NAMED_BY_RULES_OF_OTHERS)
def test_a_proxy_is_served_what_the_specification_says(many: bool, world: World):
    with pytest.MonkeyPatch.context() as patch:
        if many:
            patch.setattr(partitions, "SHORT", 1)
            patch.setattr(partitions, "COUNT", 3)
        plane = Plane(catalogue())
        for obj in manifests(world):
            assert not [f for f in catalogue().by_kind[obj.ref.kind].validate(obj) if f.reason == "InvalidHost"]
            plane.store.apply(obj.ref, obj)
        asyncio.run(plane.publish())
        for namespace in ("red", "blue"):
            proxy = Proxy("sidecar", "sleep", namespace, labels={"app": "sleep"})
            assert actual(plane.render(proxy)) == Model(world, proxy).served()
