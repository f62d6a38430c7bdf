"""Proxy -> Scope: only the properties of a proxy that can change its configuration, so that proxies share work."""

import ipaddress
from collections.abc import Mapping, Sequence

import msgspec

from mirrorplane.api.envoy_features import missing_features
from mirrorplane.api.meta import Labels, Ref
from mirrorplane.api.proxy import LOOPBACK, REDIRECT, ROUTER, SIDECAR, Locality, Proxy, Scope, Visibility
from mirrorplane.api.routes import RouteTable
from mirrorplane.api.view import View
from mirrorplane.translators.lookups.workload_addresses import listed_addresses
from mirrorplane.translators.names import ANY_ADDRESS
from mirrorplane.translators.partitions import every_partition
from mirrorplane.translators.secrets.router_accounts import ANY_ACCOUNT
from mirrorplane.translators.settings import mesh

_EVERY_ADDRESS = {4: ANY_ADDRESS, 6: "::"}


class Selection(msgspec.Struct, frozen=True):
    """Which routers a gateway selects: those with its labels, in its namespace or ("") in any.

    `has_client_certificate`: the gateway has a client certificate that its routers show to backends. `service_accounts`
    are those that its routers have, in its own namespace, and `remote_accounts` those in others.
    """

    gateway: Ref
    labels: Labels
    namespace: str = ""
    has_client_certificate: bool = False
    service_accounts: tuple[str, ...] = ()
    remote_accounts: tuple[str, ...] = ()

    def selects(self, proxy: Proxy) -> bool:
        """Tell whether a router is selected."""
        return set(self.labels) <= set(proxy.labels.items()) and self.namespace in {"", proxy.namespace}

    def is_at_home(self, proxy: Proxy) -> bool:
        """Tell whether a router is in the gateway's own namespace, and its service account is listed there."""
        is_listed = not {proxy.service_account, ANY_ACCOUNT}.isdisjoint(self.service_accounts)
        return is_listed and self.gateway.namespace == proxy.namespace


class Criteria(msgspec.Struct, frozen=True):
    """Which properties of proxies some object depends on.

    `labels` are the keys of all sourceLabels, `locality_labels` those that failoverPriority compares with endpoints'.
    `locality`: some policy ranks or weighs localities. `clients` are the label keys that policies select clients by, by
    namespace, `workloads` those that services select workloads by. `addresses` are those of workloads outside
    Kubernetes, by namespace. `gateways` are all gateways with their selectors.
    `sidecar_scopes` are by namespace the labels that a proxy must have and the Sidecar that it then has; the first
    wins. `default_sidecar` is for namespaces without one. `router_accounts` are the mesh's service accounts of routers,
    as `namespace/name`.
    """

    labels: frozenset[str] = frozenset()
    locality: bool = False
    locality_labels: frozenset[str] = frozenset()
    clients: frozenset[tuple[str, str]] = frozenset()
    workloads: frozenset[str] = frozenset()
    addresses: frozenset[tuple[str, str]] = frozenset()
    gateways: tuple[Selection, ...] = ()
    sidecar_scopes: Mapping[str, tuple[tuple[Labels, Ref], ...]] = {}
    default_sidecar: Ref | None = None
    router_accounts: frozenset[str] = frozenset()


def criteria(view: View) -> Criteria:
    """Return which properties of proxies some object depends on."""
    uses_locality, locality_labels = _locality_criteria(view)
    return Criteria(
        labels=_source_label_keys(view),
        locality=uses_locality,
        locality_labels=locality_labels,
        clients=_client_label_keys(view),
        workloads=view.memo(_selector_keys),
        addresses=view.memo(_workload_addresses),
        gateways=view.memo(_selections),
        sidecar_scopes=view.memo(_sidecar_scopes),
        default_sidecar=view.memo(_default_sidecar),
        router_accounts=frozenset(view.memo(mesh).router_accounts),
    )


def scope_of(proxy: Proxy, criteria: Criteria) -> Scope:
    """Return a proxy's scope, with those of its labels that some object depends on.

    Routers may be sent Secrets, so their scope has their identity: routers with different identities share nothing.
    """
    is_router, is_intercepted = proxy.role == ROUTER, _is_intercepted(proxy)
    selecting = [s for s in criteria.gateways if s.selects(proxy)] if is_router else []
    entrusting = _entrusting(proxy, selecting, criteria.router_accounts)
    client_keys = frozenset(key for namespace, key in criteria.clients if namespace == proxy.namespace)
    return Scope(
        role=proxy.role,
        visibility=Visibility(proxy.namespace, _find_sidecar(proxy, criteria) if proxy.role == SIDECAR else None),
        domain=proxy.domain,
        labels=_labels(proxy, criteria.labels),
        gateways=tuple(selection.gateway for selection in selecting),
        bind=_bind(proxy),
        unprivileged=proxy.unprivileged,
        intercepted=is_intercepted,
        workload_labels=_labels(proxy, criteria.workloads) if is_intercepted or is_router else (),
        workload_address=proxy.ip if is_intercepted and (proxy.namespace, proxy.ip) in criteria.addresses else "",
        identity=proxy.identity if is_router else "",
        locality=proxy.locality if criteria.locality else Locality(),
        locality_labels=_labels(proxy, criteria.locality_labels),
        policy_labels=_labels(proxy, client_keys),
        client_certificate_gateway=next((s.gateway for s in entrusting if s.has_client_certificate), None),
        secret_gateways=tuple(selection.gateway for selection in entrusting),
        missing_features=missing_features(proxy.envoy_version, proxy.upstream_filters),
    )


def _entrusting(proxy: Proxy, selecting: Sequence[Selection], router_accounts: frozenset[str]) -> list[Selection]:
    """Return those of the gateways that select a router whose Secrets it is sent. See decision 0133.

    A router that is trusted in its own namespace is trusted by gateways of others too: all name Secrets of that one.
    """
    account = proxy.service_account
    if not account:
        return []
    if f"{proxy.namespace}/{account}" in router_accounts:
        return list(selecting)
    at_home = any(selection.is_at_home(proxy) for selection in selecting)
    return [
        selection
        for selection in selecting
        if selection.is_at_home(proxy)
        or (selection.gateway.namespace != proxy.namespace and (at_home or account in selection.remote_accounts))
    ]


def _source_label_keys(view: View) -> frozenset[str]:
    tables = (table for obj in view.by("route.source_labels", "*") for table in view.lowered(obj.ref).tables)
    return frozenset(key for table in tables for labels in _source_labels(table) for key, _ in labels)


def _source_labels(table: RouteTable) -> list[Labels]:
    return [r.match.source_labels for r in table.routes] + [r.match.source_labels for r in table.l4_routes]


def _client_label_keys(view: View) -> frozenset[tuple[str, str]]:
    policies = (policy for obj in view.by("policy.clients", "*") for policy in view.lowered(obj.ref).policies)
    return frozenset((policy.namespace, key) for policy in policies for key, _ in policy.client_labels)


def _locality_criteria(view: View) -> tuple[bool, frozenset[str]]:
    """Return whether the locality of proxies matters, and the label keys of failoverPriority."""
    policies = [
        cluster_policy
        for obj in view.by("policy.locality", "*")
        for policy in view.lowered(obj.ref).policies
        for cluster_policy in policy.cluster_policies
    ]
    default = view.memo(mesh).locality_lb
    settings = [policy.load_balancer.locality_lb for policy in policies if policy.load_balancer is not None]
    keys = (key for lb in (*settings, default) if lb is not None for key in lb.failover_priority)
    distributes = default is not None and default.enabled and (default.zone_aware or default.distribute != ())
    uses_locality = distributes or any(policy.ranks_localities or policy.weighs_localities for policy in policies)
    return uses_locality, frozenset(key.partition("=")[0] for key in keys)


def _sidecar_scopes(view: View) -> Mapping[str, tuple[tuple[Labels, Ref], ...]]:
    """Return the Sidecars by namespace. Istio: those with a workloadSelector go first, and of them the oldest."""
    scopes = sorted(
        (scope for obj in view.by("sidecar_scopes", "*") for scope in view.lowered(obj.ref).sidecar_scopes),
        key=lambda scope: (not scope.clients, scope.created, scope.ref.name),
    )
    by_namespace: dict[str, tuple[tuple[Labels, Ref], ...]] = {}
    for scope in scopes:
        earlier = by_namespace.get(scope.ref.namespace, ())
        by_namespace[scope.ref.namespace] = (*earlier, (scope.clients, scope.ref))
    return by_namespace


def _default_sidecar(view: View) -> Ref | None:
    """Return the Sidecar of namespaces without one: that of the root namespace without a selector (Istio)."""
    by_namespace = view.memo(_sidecar_scopes)
    root = by_namespace.get(view.memo(mesh).root_namespace, ()) if by_namespace else ()
    return next((ref for clients, ref in root if not clients), None)


def _find_sidecar(proxy: Proxy, criteria: Criteria) -> Ref | None:
    """Return the Sidecar of a proxy: of its own namespace, else of the root namespace (Istio)."""
    in_namespace = criteria.sidecar_scopes.get(proxy.namespace, ())
    labels = proxy.labels.items()
    return next((ref for clients, ref in in_namespace if set(clients) <= labels), criteria.default_sidecar)


def _selector_keys(view: View) -> frozenset[str]:
    """Return the label keys by which services select workloads."""
    return frozenset().union(*(view.memo(_selector_keys_of, part.index) for part in every_partition()))


def _selector_keys_of(view: View, partition: int) -> frozenset[str]:
    """Return the label keys by which services of a partition select workloads."""
    services = (
        service for obj in view.by("selector.partition", str(partition)) for service in view.lowered(obj.ref).services
    )
    return frozenset(key for service in services for key, _ in service.selector)


def _workload_addresses(view: View) -> frozenset[tuple[str, str]]:
    """Return the addresses that objects list as those of workloads, each with its namespace."""
    return frozenset().union(*(view.memo(_workload_addresses_of, part.index) for part in every_partition()))


def _workload_addresses_of(view: View, partition: int) -> frozenset[tuple[str, str]]:
    """Return the addresses that objects of a partition list as those of workloads, each with its namespace."""
    return frozenset(
        (obj.ref.namespace, address)
        for obj in view.by("workload.address.partition", str(partition))
        for address in listed_addresses(view, obj.ref)
    )


def _labels(proxy: Proxy, keys: frozenset[str]) -> Labels:
    return tuple(sorted((k, v) for k, v in proxy.labels.items() if k in keys)) if keys else ()


def _selections(view: View) -> tuple[Selection, ...]:
    """Return the gateways with their selectors, and not their servers, whose changes do not matter here."""
    gateways = (g for obj in view.by("gateways", "*") for g in view.lowered(obj.ref).gateways)
    return tuple(
        Selection(
            g.ref, g.selector, g.router_namespace, bool(g.client_certificate), g.service_accounts, g.remote_accounts
        )
        for g in gateways
    )


def _is_intercepted(proxy: Proxy) -> bool:
    return proxy.role == SIDECAR and proxy.interception == REDIRECT


def _bind(proxy: Proxy) -> str:
    """Return the address that listeners bind: loopback, so that only the workload beside a sidecar can use it.

    A proxy whose own address is a loopback one binds that, so that many proxies can share one machine. With
    interception listeners are not bound, and match every address; a router's are open to every client.
    """
    if _is_intercepted(proxy):
        return ANY_ADDRESS
    address = ipaddress.ip_address(proxy.ip)
    if address.is_loopback:
        return proxy.ip
    return LOOPBACK if proxy.role == SIDECAR else _EVERY_ADDRESS[address.version]
