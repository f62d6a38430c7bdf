"""Which policy applies to the calls of a client, and which port and cluster they use (Istio: DestinationRule)."""

import msgspec

from mirrorplane.api.actions import Destination
from mirrorplane.api.cluster_policy import ClusterPolicy, Layer, LoadBalancer, LocalityLb
from mirrorplane.api.hosts import candidates, exported
from mirrorplane.api.meta import Labels
from mirrorplane.api.proxy import ClientKey, Visibility
from mirrorplane.api.traffic_policy import Subset, TrafficPolicy
from mirrorplane.api.view import View
from mirrorplane.translators.lookups import backend_tls, services, sidecar_scope
from mirrorplane.translators.lookups.partial_wildcards import partial_wildcards
from mirrorplane.translators.names import BLACK_HOLE, PASSTHROUGH, ClusterName, outbound
from mirrorplane.translators.settings import ISTIOS, mesh

_DEFAULT = ClusterPolicy()
_INDEX = "policy.host"


def undeclared_cluster(view: View, visibility: Visibility) -> str:
    """Return the cluster of calls to hosts that no service declares (Istio: outboundTrafficPolicy)."""
    allowed = sidecar_scope.allows_undeclared(view, visibility)
    if not (view.memo(mesh).allow_any if allowed is None else allowed):
        return BLACK_HOLE
    forwarder = sidecar_scope.forwarder(view, visibility)
    return outbound(forwarder.host, forwarder.port, forwarder.subset) if forwarder else PASSTHROUGH


def find_policy(view: View, client: ClientKey, host: str) -> TrafficPolicy | None:
    """Return the policy for a client's calls to a host.

    Istio: the client's namespace is searched first, then the service's, then the root namespace. In each the most
    specific host wins, and policies for one host are merged: the oldest first, and of each subset name and of the
    settings for all subsets the first. A policy with a workloadSelector goes before those for all clients, and is
    merged only with others of the same selector. Locality settings that no policy has are the mesh's.
    """
    settings = view.memo(mesh)
    policy = _most_specific(view, client, host, settings.root_namespace)
    return policy if settings.locality_lb is None else _with_locality_lb(policy, settings.locality_lb, host)


def find_subset(view: View, client: ClientKey, host: str, name: str) -> Subset | None:
    """Return a named subset of a host, or None when no policy defines it."""
    policy = view.memo(find_policy, client, host)
    return policy.subset(name) if policy else None


def subset_clients(view: View, client: ClientKey, host: str, name: str) -> Labels:
    """Return the client labels of a policy that defines a subset for some clients of the namespace only."""
    for pattern in candidates(host, view.memo(partial_wildcards, _INDEX)):
        for obj in view.by(_INDEX, pattern):
            for policy in view.lowered(obj.ref).policies:
                if policy.client_labels and policy.namespace == client.namespace and policy.subset(name):
                    return policy.client_labels
    return ()


def cluster_policy(view: View, client: ClientKey, cluster: ClusterName) -> ClusterPolicy:
    """Return the policy for a client's calls to a port of a host, or of a subset of it.

    Gateway API: at routers the TLS settings of a BackendTLSPolicy replace those of a DestinationRule (decision 0091).
    """
    policy = view.memo(find_policy, client, cluster.host)
    settings = policy.cluster_policy(cluster.port, cluster.subset) if policy else _DEFAULT
    tls = backend_tls.client_tls(view, client, cluster) if client.router else None
    return settings if tls is None else msgspec.structs.replace(settings, tls=tls)


def target_port(view: View, visibility: Visibility, destination: Destination, listener_port: int) -> int:
    """Return the port that a destination means: its own, else the service's only one, else the listener's (Istio)."""
    if destination.port:
        return destination.port
    service = view.memo(services.find_service, visibility, destination.host)
    return service.ports[0].number if service and len(service.ports) == 1 else listener_port


def _most_specific(view: View, client: ClientKey, host: str, root_namespace: str) -> TrafficPolicy | None:
    service = view.memo(services.find_service, client.visibility, host)
    namespaces = (client.namespace, service.namespace if service else client.namespace, root_namespace)
    policies = _covering_policies(view, client, host)
    for namespace in dict.fromkeys(namespaces):
        in_namespace = [policy for policy in policies if policy.ref.namespace == namespace]
        if in_namespace:
            group = (in_namespace[0].host, in_namespace[0].client_labels)
            return _merge([policy for policy in in_namespace if (policy.host, policy.client_labels) == group])
    return None


def _covering_policies(view: View, client: ClientKey, host: str) -> tuple[TrafficPolicy, ...]:
    """Return the policies for a host and for the wildcards that cover it, the most specific first."""
    exact, *wider = patterns = candidates(host)
    covering = candidates(host, view.memo(partial_wildcards, _INDEX))
    if covering != patterns:
        return tuple(policy for pattern in covering for policy in _policies(view, client, pattern))
    wildcards = view.memo(_wildcard_policies, client, wider[0]) if wider else ()
    return (*_policies(view, client, exact), *wildcards)


def _policies(view: View, client: ClientKey, pattern: str) -> list[TrafficPolicy]:
    """Return the policies for exactly this host or wildcard that apply to a client, oldest first.

    Istio: those with a workloadSelector go before.
    """
    policies = [
        policy
        for obj in view.by(_INDEX, pattern)
        for policy in view.lowered(obj.ref).policies
        if exported(policy.export_to, policy.namespace, client.namespace)
        and set(policy.client_labels) <= set(client.labels)
    ]
    return sorted(policies, key=lambda p: (not p.client_labels, p.created, p.ref.name))


def _wildcard_policies(view: View, client: ClientKey, wildcard: str) -> tuple[TrafficPolicy, ...]:
    """Return the policies for a wildcard and those above it; all hosts directly below it share the answer."""
    return tuple(policy for pattern in candidates(wildcard) for policy in _policies(view, client, pattern))


def _merge(policies: list[TrafficPolicy]) -> TrafficPolicy:
    # Reversed, so that the oldest is written last, and stays.
    subsets = {s.name: s for policy in reversed(policies) for s in policy.subsets}
    names = dict.fromkeys(s.name for policy in policies for s in policy.subsets)
    layer = next((policy.layer for policy in policies if policy.layer), None)
    return msgspec.structs.replace(policies[0], subsets=tuple(subsets[name] for name in names), layer=layer)


def _with_locality_lb(policy: TrafficPolicy | None, locality_lb: LocalityLb, host: str) -> TrafficPolicy:
    """Return a policy with the mesh's locality settings wherever it has none (Istio).

    A host without a policy gets one, whose object is Istio's MeshConfig.
    """
    base = policy or TrafficPolicy(host, ISTIOS.namespace, ISTIOS)
    subsets = tuple(_subset_with_locality_lb(subset, locality_lb) for subset in base.subsets)
    layer = base.layer or Layer()
    layer = Layer(_fill_locality_lb(layer.all_ports, locality_lb), _fill_ports(layer, locality_lb))
    return msgspec.structs.replace(base, subsets=subsets, layer=layer)


def _subset_with_locality_lb(subset: Subset, locality_lb: LocalityLb) -> Subset:
    """Leave a subset without load balancing settings those of its host; a port of it inherits none, and is filled."""
    layer, all_ports = subset.layer, subset.layer.all_ports
    if all_ports.load_balancer is not None:
        all_ports = _fill_locality_lb(all_ports, locality_lb)
    return msgspec.structs.replace(subset, layer=Layer(all_ports, _fill_ports(layer, locality_lb)))


def _fill_ports(layer: Layer, locality_lb: LocalityLb) -> tuple[tuple[int, ClusterPolicy], ...]:
    return tuple((port, _fill_locality_lb(policy, locality_lb)) for port, policy in layer.by_port)


def _fill_locality_lb(policy: ClusterPolicy, locality_lb: LocalityLb) -> ClusterPolicy:
    load_balancer = policy.load_balancer or LoadBalancer()
    if load_balancer.locality_lb is not None:
        return policy
    filled = msgspec.structs.replace(load_balancer, locality_lb=locality_lb)
    return msgspec.structs.replace(policy, load_balancer=filled)
