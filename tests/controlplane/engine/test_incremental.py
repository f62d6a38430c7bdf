"""Whatever the order of changes, the incremental answer is the answer computed from scratch."""

import asyncio
from typing import Any

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from mirrorplane.api.kinds import config_map as cm
from mirrorplane.api.kinds import kube
from mirrorplane.api.kinds.gateway_api import GROUP
from mirrorplane.api.kinds.gateway_api import backend_tls_policy as bt
from mirrorplane.api.kinds.gateway_api import gateway as kg
from mirrorplane.api.kinds.gateway_api import gateway_class as gc
from mirrorplane.api.kinds.gateway_api import reference_grant as rg
from mirrorplane.api.kinds.gateway_api import references as refs
from mirrorplane.api.kinds.istio import destination_rule as dr
from mirrorplane.api.kinds.istio import gateway as gw
from mirrorplane.api.kinds.istio import service_entry as se
from mirrorplane.api.kinds.istio import sidecar as sc
from mirrorplane.api.kinds.istio import virtual_service as vs
from mirrorplane.api.kinds.istio.mesh_config import CONFIG_MAP
from mirrorplane.api.kinds.istio.mesh_config import MeshConfig as IstioMeshConfig
from mirrorplane.api.kinds.mirrorplane import MESH_CONFIG, MeshConfig, Mirroring
from mirrorplane.api.kinds.secret import SECRET, Entries, Secret
from mirrorplane.api.meta import Kind, Object, Ref, Wire
from mirrorplane.api.proxy import REDIRECT, SIDECAR, Locality, Proxy
from mirrorplane.api.resource import Resource, ResourceSet
from mirrorplane.controlplane.engine.catalogue import catalogue
from mirrorplane.controlplane.plane import Plane
from mirrorplane.translators import partitions
from mirrorplane.translators.findings import findings
from mirrorplane.translators.gateway_api.names import ROUTER_LABEL
from mirrorplane.translators.scopes import criteria, scope_of
from mirrorplane.translators.settings import ISTIOS
from mirrorplane.translators.sidecars.findings import bound_sidecar_findings
from tests.builders import PlainView
from tests.controlplane.engine.cached_calls import idle_calls, named_calls
from tests.controlplane.engine.gateway_route_rules import GatewayRoutes
from tests.controlplane.engine.l4_route_rules import L4Routes
from tests.controlplane.engine.random_objects import (
    addresses,
    beyond,
    entrances,
    entries,
    exports,
    gateways,
    hosts,
    listeners,
    names,
    policies,
    pools,
    ports,
    selectors,
    servers,
    spaces,
    versions,
)
from tests.controlplane.engine.service_route_rules import MeshRoutes

PROXIES = [
    Proxy("sidecar", "p", "red", labels={"app": "a", "version": "v1"}, locality=Locality("here")),
    Proxy("sidecar", "q", "blue", ip="127.0.0.2"),
    Proxy("router", "g", "red", labels={"app": "a", ROUTER_LABEL: "a"}, identity="spiffe://cluster.local/ns/red/sa/a"),
    Proxy("router", "h", "blue", ip="127.0.0.3", labels={"app": "b", "version": "v1", ROUTER_LABEL: "b"}),
    Proxy("sidecar", "r", "red", ip="10.0.0.1", labels={"app": "a", "version": "v1"}, interception=REDIRECT),
]


class World(L4Routes, GatewayRoutes, MeshRoutes, RuleBasedStateMachine):
    """Random manifests applied to and removed from one control plane with some connected proxies."""

    short, count = partitions.SHORT, partitions.COUNT

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(partitions, "SHORT", self.short)
        self.patch.setattr(partitions, "COUNT", self.count)
        self.plane = Plane(catalogue())
        self.offered: dict[str, ResourceSet] = {}
        self.detach = {}
        for proxy in PROXIES:
            self._connect(proxy)

    @rule(
        ns=spaces, name=names, ports=st.lists(ports, max_size=2, unique_by=lambda p: p[1]), export=exports, ip=addresses
    )
    def service(self, ns: str, name: str, ports: list[tuple[str, int]], export: tuple[str, ...], ip: str) -> None:
        service_ports = tuple(kube.ServicePort(n, f"{p}-{n}" if p else "") for p, n in ports)
        spec = kube.ServiceSpec(service_ports, {"app": name}, cluster_ip=ip)
        self._put(kube.SERVICE, ns, name, spec, annotations={"networking.istio.io/exportTo": ",".join(export)})

    @rule(ns=spaces, name=names, dest=hosts, ports=st.lists(ports, max_size=1), export=exports)
    def external_name(
        self, ns: str, name: str, dest: str, ports: list[tuple[str, int]], export: tuple[str, ...]
    ) -> None:
        service_ports = tuple(kube.ServicePort(n, f"{p}-{n}" if p else "") for p, n in ports)
        spec = kube.ServiceSpec(service_ports, type="ExternalName", external_name=dest)
        self._put(kube.SERVICE, ns, name, spec, annotations={"networking.istio.io/exportTo": ",".join(export)})

    @rule(ns=spaces, name=names, app=names, version=versions, ip=st.integers(1, 3))
    def pod(self, ns: str, name: str, app: str, version: str, ip: int) -> None:
        spec = kube.Pod(status=kube.PodStatus(pod_ip=f"10.0.0.{ip}"))
        self._put(kube.POD, ns, name, spec, labels={"app": app, "version": version})

    @rule(ns=spaces, name=names, service=names, pod=names, port=ports, ready=st.booleans())
    def endpoint_slice(self, ns: str, name: str, service: str, pod: str, port: tuple[str, int], ready: bool) -> None:
        target = kube.TargetRef("Pod", ns, pod)
        endpoint = kube.SliceEndpoint(("10.0.1.1",), kube.EndpointConditions(ready=ready), target)
        spec = kube.EndpointSlice(endpoints=(endpoint,), ports=(kube.SlicePort(f"{port[0]}-{port[1]}", 99),))
        self._put(kube.ENDPOINT_SLICE, ns, name, spec, labels={kube.SERVICE_NAME_LABEL: service})

    @rule(
        ns=spaces, name=names, hosts=st.lists(hosts, min_size=1, max_size=2, unique=True), dest=hosts, mirror=hosts,
        subset=versions, label=st.sampled_from([{}, {"version": "v1"}, {"app": "a"}]), export=exports,
    )  # fmt: skip
    def virtual_service(self, ns, name, hosts, dest, mirror, subset, label, export) -> None:
        rule = vs.HTTPRoute(
            match=(vs.MatchRequest(uri=vs.StringMatch(prefix="/x"), source_labels=label),) if label else (),
            route=(vs.RouteDestination(vs.Destination(dest, subset)),),
            mirror=vs.Destination(mirror),
        )
        self._put(
            vs.VIRTUAL_SERVICE,
            ns,
            name,
            vs.VirtualService(tuple(hosts), http=(rule,), export_to=export),
        )

    @rule(
        ns=spaces, name=names, hosts=st.lists(hosts, min_size=1, max_size=2, unique=True), dest=hosts, export=exports,
        gateways=st.lists(gateways, min_size=1, max_size=2), path=st.sampled_from(["/x", "/"]), tls=st.booleans(),
    )  # fmt: skip
    def rules_at_gateways(self, ns, name, hosts, dest, export, gateways, path, tls) -> None:
        match = vs.MatchRequest(uri=vs.StringMatch(prefix=path), gateways=tuple(gateways) if path == "/x" else ())
        http = vs.HTTPRoute(
            match=(match,), route=(vs.RouteDestination(vs.Destination(dest)),), mirror=vs.Destination("a")
        )
        stream = vs.StreamRoute(
            (vs.StreamMatch(tuple(hosts) if tls else ()),), (vs.StreamDestination(vs.Destination(dest)),)
        )
        streams = {"tls" if tls else "tcp": (stream,)}
        spec = vs.VirtualService(tuple(hosts), tuple(gateways), (http,), export_to=export, **streams)
        self._put(vs.VIRTUAL_SERVICE, ns, name, spec)

    @rule(
        ns=spaces, name=names, servers=st.lists(servers, min_size=1, max_size=3),
        selector=st.sampled_from([{}, {"app": "a"}, {"app": "b"}]),
    )  # fmt: skip
    def gateway(self, ns: str, name: str, servers: list[gw.Server], selector: dict[str, str]) -> None:
        server_ports = (msgspec.structs.replace(s.port, name=f"p{i}") for i, s in enumerate(servers))
        renamed = (msgspec.structs.replace(s, port=p) for s, p in zip(servers, server_ports, strict=True))
        self._put(gw.GATEWAY, ns, name, gw.Gateway(tuple(renamed), selector))

    @rule(ours=st.booleans())
    def gateway_class(self, ours: bool) -> None:
        self._put(gc.GATEWAY_CLASS, "", "default", gc.GatewayClass(gc.CONTROLLER if ours else "example.com/theirs"))

    @rule(
        ns=spaces, name=names, where=spaces, asks=st.booleans(), shows=st.booleans(),
        listeners=st.lists(entrances, min_size=1, max_size=3, unique_by=lambda x: x[:2]),
    )  # fmt: skip
    def gateway_listeners(self, ns, name, where, asks, shows, listeners) -> None:
        gateway_listeners, certificate = [], refs.SecretObjectReference("a", namespace=where)
        for i, (port, host, protocol, places) in enumerate(listeners):
            tls = kg.ListenerTLSConfig(None, (certificate,)) if protocol == "HTTPS" else None
            selector = kg.LabelSelector({"team": "red"})
            allowed = kg.AllowedRoutes(kg.RouteNamespaces(places, selector))
            gateway_listeners.append(kg.Listener(f"l{i}", port, protocol, host, tls, allowed))
        clients = kg.FrontendTLSValidation((refs.ObjectReference("", "ConfigMap", "a", where),))
        frontend = kg.FrontendTLSConfig(kg.TLSConfig(clients)) if asks else None
        both = kg.GatewayTLSConfig(frontend, kg.GatewayBackendTLS(certificate) if shows else None)
        self._put(kg.GATEWAY, ns, name, kg.Gateway("default", tuple(gateway_listeners), tls=both))

    @rule(name=spaces, team=spaces)
    def namespace(self, name: str, team: str) -> None:
        self._put(kube.NAMESPACE, "", name, kube.NamespaceSpec(), labels={"team": team})

    @rule(
        ns=spaces, name=names, dest=st.sampled_from(["", "a"]), kind=st.sampled_from(["HTTPRoute", "Gateway"]),
        target_kind=st.sampled_from(["Service", "Secret", "ConfigMap"]),
    )  # fmt: skip
    def grant(self, ns: str, name: str, dest: str, kind: str, target_kind: str) -> None:
        asks = tuple(rg.ReferenceGrantFrom(GROUP, kind, space) for space in ("red", "blue"))
        self._put(rg.REFERENCE_GRANT, ns, name, rg.ReferenceGrant(asks, (rg.ReferenceGrantTo("", target_kind, dest),)))

    @rule(
        ns=spaces, name=names, dest=names, port=st.sampled_from(["", "http"]), created=st.sampled_from(["", "2020"]),
        authorities=st.lists(names, max_size=2),
    )  # fmt: skip
    def backend_tls_policy(self, ns, name, dest, port, created, authorities) -> None:
        targets = (bt.LocalPolicyTargetReference("", "Service", dest, section_name=port),)
        bundles = tuple(refs.LocalObjectReference("", "ConfigMap", name_) for name_ in authorities)
        validation = bt.BackendTLSPolicyValidation(f"{name}.example.com", bundles, None if bundles else "System")
        self._put(bt.BACKEND_TLS_POLICY, ns, name, bt.BackendTLSPolicy(targets, validation), created=created)

    @rule(ns=spaces, name=names, content=st.sampled_from(["one", "two", ""]))
    def config_map(self, ns: str, name: str, content: str) -> None:
        self._put(cm.CONFIG_MAP, ns, name, cm.ConfigMap(cm.Entries(content)))

    @rule(ns=spaces, name=names, content=st.sampled_from(["one", "two", ""]))
    def secret(self, ns: str, name: str, content: str) -> None:
        self._put(
            SECRET,
            ns,
            name,
            Secret("kubernetes.io/tls", string_data=Entries(tls_crt=content, tls_key=content, ca_crt="ca")),
        )

    @rule(ns=spaces, name=names, host=hosts, dest=hosts, label=st.sampled_from([{}, {"app": "a"}]), tls=st.booleans())
    def streams(self, ns: str, name: str, host: str, dest: str, label: dict[str, str], tls: bool) -> None:
        match = vs.StreamMatch((host,) if tls else (), source_labels=label)
        route = vs.StreamRoute((match,), (vs.StreamDestination(vs.Destination(dest)),))
        spec = vs.VirtualService((host,), tls=(route,) if tls else (), tcp=() if tls else (route,))
        self._put(vs.VIRTUAL_SERVICE, ns, name, spec)

    @rule(
        ns=spaces, name=names, host=hosts, subsets=st.sets(versions), export=exports, policy=policies, select=selectors
    )
    def destination_rule(
        self,
        ns: str,
        name: str,
        host: str,
        subsets: set[str],
        export: tuple[str, ...],
        policy: dr.TrafficPolicy | None,
        select: dr.WorkloadSelector | None,
    ) -> None:
        subset_rules = tuple(dr.Subset(v, {"version": v}, policy if v == "v2" else None) for v in sorted(subsets))
        own_policy = None if "v2" in subsets else policy
        self._put(dr.DESTINATION_RULE, ns, name, dr.DestinationRule(host, subset_rules, export, own_policy, select))

    @rule(
        ns=spaces, name=names, resolution=st.sampled_from(["STATIC", "DNS", "NONE"]),
        source=st.sampled_from(["selector", "endpoints", ""]), number=st.sampled_from([80, 8000]),
    )  # fmt: skip
    def service_entry(self, ns: str, name: str, resolution: str, source: str, number: int) -> None:
        selector = se.WorkloadSelector({"app": "a"}) if source == "selector" else None
        listed = source == "endpoints" and resolution != "NONE"
        endpoints = (se.WorkloadEntry(PROXIES[-1].ip),) if listed else ()
        port = se.Port(number, "http", "HTTP")
        spec = se.ServiceEntry(("x.example.com",), (), (port,), "MESH_INTERNAL", resolution, endpoints, selector)
        self._put(se.SERVICE_ENTRY, ns, name, spec)

    @rule(ns=spaces, name=names, app=names, address=st.sampled_from(["10.9.9.9", PROXIES[-1].ip]))
    def workload_entry(self, ns: str, name: str, app: str, address: str) -> None:
        self._put(
            se.WORKLOAD_ENTRY,
            ns,
            name,
            se.WorkloadEntry(address, {}, {"app": app, "version": "v2"}),
        )

    @rule(
        ns=spaces, name=names, egress=st.lists(listeners, max_size=3, unique_by=lambda e: e[0]), policy=beyond,
        label=st.sampled_from([None, {"app": "a"}, {"version": "v1"}]), created=st.sampled_from(["", "2024", "2025"]),
        ingress=st.lists(entries, max_size=1), pool=pools,
    )  # fmt: skip
    def sidecar(self, ns, name, egress, policy, label, created, ingress, pool) -> None:
        egress_listeners = [
            sc.EgressListener(sc.SidecarPort(port, protocol) if port else None, hosts=tuple(hosts))
            for port, protocol, hosts in egress
        ]
        spec = sc.Sidecar(
            workload_selector=se.WorkloadSelector(label) if label else None,
            ingress=tuple(ingress),
            inbound_connection_pool=pool,
            egress=tuple(sorted(egress_listeners, key=lambda listener: listener.port is None)),
            outbound_traffic_policy=policy,
        )
        self._put(sc.SIDECAR, ns, name, spec, created=created)

    @rule(suffix=st.booleans(), root=spaces)
    def mesh_config(self, suffix: bool, root: str) -> None:
        spec = MeshConfig(root_namespace=root, mirroring=Mirroring(shadow_host_suffix=suffix))
        self._put(MESH_CONFIG, "", "default", spec)

    @rule(services=exports, rules=exports, policies=exports, near=st.booleans())
    def istios_mesh_config(self, services, rules, policies, near) -> None:
        spread = dr.LocalityLbSetting((dr.Distribute("r1", {"r1": 100}),)) if near else None
        spec = IstioMeshConfig(
            default_service_export_to=services,
            default_virtual_service_export_to=rules,
            default_destination_rule_export_to=policies,
            locality_lb_setting=spread,
        )
        self._put(CONFIG_MAP, "istio-system", "istio", spec)

    @rule()
    def no_istios_mesh_config(self) -> None:
        self.plane.store.apply(ISTIOS, None)

    @rule(kind=st.sampled_from(catalogue().kinds), ns=spaces, name=names)
    def remove(self, kind: Kind, ns: str, name: str) -> None:
        name = name if kind.namespaced else "default"
        self.plane.store.apply(Ref(kind.key, ns if kind.namespaced else "", name), None)

    @rule(proxy=st.sampled_from(PROXIES))
    def reconnect(self, proxy: Proxy) -> None:
        self.detach[proxy.name]()
        self._connect(proxy)

    @rule()
    def serve(self) -> None:
        asyncio.run(self.plane.publish())
        scratch = PlainView(self.plane.snapshot, catalogue().inputs)
        for proxy in PROXIES:
            resources = self.offered[proxy.name].resources
            assert {t: dict(r) for t, r in resources.items() if r} == from_scratch(scratch, proxy)
        expected = {f for ref in self.plane.snapshot.objects for f in findings(scratch, ref)}
        bound = (proxy for proxy in PROXIES if proxy.role == SIDECAR and proxy.interception == "NONE")
        visibilities = {scope_of(proxy, criteria(scratch)).visibility for proxy in bound}
        expected |= {f for visibility in visibilities for f in bound_sidecar_findings(scratch, visibility)}
        assert set(self.plane.findings.all()) == expected
        assert not self.plane.publisher.failures
        assert self.plane.engine.failures == 0

    def teardown(self) -> None:
        """Without proxies and objects, nothing stays cached but what every scope shares."""
        asyncio.run(self.plane.publish())
        for ref in self.plane.snapshot.objects:
            self.plane.store.apply(ref, None)
        asyncio.run(self.plane.publish())
        for detach in self.detach.values():
            detach()
        assert self.plane.publisher.scopes == 0
        assert named_calls(self.plane.engine) <= idle_calls(), "something that no proxy needs is still cached"
        self.patch.undo()

    def _connect(self, proxy: Proxy) -> None:
        def offer(served: ResourceSet) -> None:
            before = self.offered.get(proxy.name)
            if before is not None and served.after == before.generation:
                assert_changed_names_are_right(before, served)
            self.offered[proxy.name] = served

        self.offered.pop(proxy.name, None)
        self.detach[proxy.name] = self.plane.publisher.attach(proxy, offer)

    def _put(self, kind: Kind, ns: str, name: str, spec: Wire, **meta: Any) -> None:
        ref = Ref(kind.key, ns, name)
        self.plane.store.apply(ref, Object(ref, spec, **meta))


def from_scratch(view: PlainView, proxy: Proxy) -> dict[str, dict[str, Resource]]:
    scope = scope_of(proxy, criteria(view))
    by_type: dict[str, dict[str, Resource]] = {}
    for output in (o for o in catalogue().outputs if o.serves(scope)):
        names = [name for group in output.names(view, scope) for name in group]
        assert len(names) == len(set(names)), "a name is in one group"
        built = [output.build(view, output.cache_key(scope), name) for name in names]
        of_type = by_type.setdefault(output.type_url, {})
        assert not of_type.keys() & set(names), "no two outputs use one name"
        of_type |= {r.name: r for r in built if r is not None}
    return {type_url: resources for type_url, resources in by_type.items() if resources}


def assert_changed_names_are_right(before: ResourceSet, after: ResourceSet) -> None:
    for type_url in before.resources | after.resources:
        old, new = before.of_type(type_url), after.of_type(type_url)
        changed = {n for n in old.keys() | new.keys() if old.get(n) != new.get(n)}
        assert changed == after.changed.get(type_url, frozenset())


class SplitWorld(World):
    """The same, where two objects of a kind are so many that they are asked for in parts, and one is not."""

    short, count = 1, 3


TestWorld = World.TestCase
TestWorld.settings = settings(stateful_step_count=30)
TestSplitWorld = SplitWorld.TestCase
TestSplitWorld.settings = TestWorld.settings
