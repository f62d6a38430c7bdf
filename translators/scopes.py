"""Proxy -> Scope: keep of a proxy only what may change its configuration."""

import ipaddress
from collections.abc import Mapping

import msgspec

from mirrorplane.api.meta import Labels, Ref
from mirrorplane.api.proxy import LOOPBACK, REDIRECT, ROUTER, SIDECAR, Locality, Proxy, Scope, Visibility
from mirrorplane.api.routes import RouteTable
from mirrorplane.api.view import View
from mirrorplane.translators.names import ANY_ADDRESS
from mirrorplane.translators.partitions import every_partition
from mirrorplane.translators.settings import mesh

_EVERY_ADDRESS = {4: ANY_ADDRESS, 6: "::"}


class Selection(msgspec.Struct, frozen=True):
    """Which routers a gateway is for: those with its labels, of its namespace or ("") of any.

    `shows`: it says which certificate they show to servers.
    """

    gateway: Ref
    labels: Labels
    namespace: str = ""
    shows: bool = False

    def holds(self, proxy: Proxy) -> bool:
        """Tell whether a router is one of them."""
        return set(self.labels) <= set(proxy.labels.items()) and self.namespace in {"", proxy.namespace}


class Criteria(msgspec.Struct, frozen=True):
    """What about proxies matters to some object.

    `labels` are keys that some match's sourceLabels name, `ranked` those that some rule compares with endpoints'.
    `locality`: some rule prefers near endpoints. `clients` are namespaces with keys by which their policies select,
    `workloads` the keys by which services select workloads; `gateways` are those there are, with what they select.
    `sidecar_scopes`: of each namespace the labels that proxies must carry, and the object that limits them
    then; the first holds. `rest`: what limits proxies of namespaces without one of their own for all.
    """

    labels: frozenset[str] = frozenset()
    locality: bool = False
    ranked: frozenset[str] = frozenset()
    clients: frozenset[tuple[str, str]] = frozenset()
    workloads: frozenset[str] = frozenset()
    gateways: tuple[Selection, ...] = ()
    sidecar_scopes: Mapping[str, tuple[tuple[Labels, Ref], ...]] = {}
    rest: Ref | None = None


def criteria(view: View) -> Criteria:
    """Return what about proxies matters to some object."""
    said = [
        m for obj in view.by("policy.near", "*") for p in view.lowered(obj.ref).policies for m in p.cluster_policies
    ]
    near = [
        m.load_balancer.locality_lb
        for m in said
        if m.load_balancer is not None and m.load_balancer.locality_lb is not None
    ]
    whole = view.memo(mesh).locality_lb
    near += [whole] if whole is not None else []
    return Criteria(
        labels=frozenset(
            key
            for obj in view.by("route.source_labels", "*")
            for table in view.lowered(obj.ref).tables
            for labels in _compared(table)
            for key, _ in labels
        ),
        locality=any(cluster_policy.ranks_localities or cluster_policy.weighs_localities for cluster_policy in said)
        or (whole is not None and whole.enabled and whole.distribute != ()),
        ranked=frozenset(label.partition("=")[0] for n in near for label in n.failover_priority),
        clients=frozenset(
            (policy.namespace, key)
            for obj in view.by("policy.clients", "*")
            for policy in view.lowered(obj.ref).policies
            for key, _ in policy.client_labels
        ),
        workloads=frozenset().union(*(view.memo(_selecting, each.index) for each in every_partition())),
        gateways=view.memo(_gateways),
        sidecar_scopes=view.memo(_horizons),
        rest=view.memo(_rest),
    )


def scope_of(proxy: Proxy, asked: Criteria) -> Scope:
    """Return the proxy's scope; of its labels, those that are asked for.

    Routers are sent secrets, so theirs holds their identity: two of them share nothing unless they are the same.
    """
    return Scope(
        role=proxy.role,
        visibility=Visibility(proxy.namespace, _horizon(proxy, asked) if proxy.role == SIDECAR else None),
        domain=proxy.domain,
        labels=_chosen(proxy, asked.labels),
        gateways=_selected(proxy, asked.gateways) if proxy.role == ROUTER else (),
        bind=_bind(proxy),
        unprivileged=proxy.unprivileged,
        intercepted=_is_intercepted(proxy),
        workload=_chosen(proxy, asked.workloads) if _is_intercepted(proxy) or proxy.role == ROUTER else (),
        identity=proxy.identity if proxy.role == ROUTER else "",
        locality=proxy.locality if asked.locality else Locality(),
        ranked=_chosen(proxy, asked.ranked),
        selected=_chosen(proxy, frozenset(key for namespace, key in asked.clients if namespace == proxy.namespace)),
        shows=_shows(proxy, asked.gateways) if proxy.role == ROUTER and proxy.identity else None,
    )


def _horizons(view: View) -> Mapping[str, tuple[tuple[Labels, Ref], ...]]:
    """Return what limits proxies, by namespace. Istio: those with labels go first, and of them the oldest."""
    said = sorted(
        (h for obj in view.by("sidecar_scopes", "*") for h in view.lowered(obj.ref).sidecar_scopes),
        key=lambda h: (not h.clients, h.created, h.ref.name),
    )
    found: dict[str, tuple[tuple[Labels, Ref], ...]] = {}
    for each in said:
        found[each.ref.namespace] = (*found.get(each.ref.namespace, ()), (each.clients, each.ref))
    return found


def _rest(view: View) -> Ref | None:
    """Return what limits proxies that nothing of their own namespace does: that of the root namespace (Istio)."""
    known = view.memo(_horizons)
    root = known.get(view.memo(mesh).root_namespace, ()) if known else ()
    return next((ref for clients, ref in root if not clients), None)


def _horizon(proxy: Proxy, asked: Criteria) -> Ref | None:
    """Return what limits a proxy: of its own namespace, else of the root namespace, if anything does (Istio)."""
    own = asked.sidecar_scopes.get(proxy.namespace, ())
    carried = proxy.labels.items()
    return next((ref for clients, ref in own if set(clients) <= carried), asked.rest)


def _compared(table: RouteTable) -> list[Labels]:
    return [r.match.source_labels for r in table.routes] + [r.match.source_labels for r in table.l4_routes]


def _selecting(view: View, part: int) -> frozenset[str]:
    """Return the label keys by which services of a part select workloads."""
    found = (service for obj in view.by("selector.part", str(part)) for service in view.lowered(obj.ref).services)
    return frozenset(key for service in found for key, _ in service.selector)


def _chosen(proxy: Proxy, keys: frozenset[str]) -> Labels:
    return tuple(sorted((k, v) for k, v in proxy.labels.items() if k in keys)) if keys else ()


def _gateways(view: View) -> tuple[Selection, ...]:
    """Return the gateways with what they select: a change of their servers is none of this."""
    found = (g for obj in view.by("gateways", "*") for g in view.lowered(obj.ref).gateways)
    return tuple(Selection(g.ref, g.selector, g.router_namespace, bool(g.client_certificate)) for g in found)


def _selected(proxy: Proxy, gateways: tuple[Selection, ...]) -> tuple[Ref, ...]:
    return tuple(selection.gateway for selection in gateways if selection.holds(proxy))


def _shows(proxy: Proxy, gateways: tuple[Selection, ...]) -> Ref | None:
    return next((selection.gateway for selection in gateways if selection.shows and selection.holds(proxy)), None)


def _is_intercepted(proxy: Proxy) -> bool:
    return proxy.role == SIDECAR and proxy.interception == REDIRECT


def _bind(proxy: Proxy) -> str:
    """Return where listeners are bound: loopback, so that only the workload beside the proxy can call out through it.

    A proxy whose own address is a loopback one gets that, so that many proxies can share one machine. With
    interception they are bound to nothing, and take what was meant for any address; a router's are open to everybody.
    """
    if _is_intercepted(proxy):
        return ANY_ADDRESS
    address = ipaddress.ip_address(proxy.ip)
    if address.is_loopback:
        return proxy.ip
    return LOOPBACK if proxy.role == SIDECAR else _EVERY_ADDRESS[address.version]
