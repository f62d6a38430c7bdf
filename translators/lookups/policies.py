"""Memoised questions that outputs, checks and inputs ask; the joins across inputs live here."""

import msgspec

from mirrorplane.api.actions import Destination
from mirrorplane.api.cluster_policy import ClusterPolicy
from mirrorplane.api.hosts import candidates, exported, is_ip, is_unix
from mirrorplane.api.mesh import Endpoint, Port, Protocol, Resolution, Service
from mirrorplane.api.meta import Labels, Ref
from mirrorplane.api.proxy import ClientKey, Visibility
from mirrorplane.api.traffic_policy import Subset, TrafficPolicy
from mirrorplane.api.view import View
from mirrorplane.translators.lookups import backend_tls, services, sidecar_scope
from mirrorplane.translators.lookups.policy_defaults import with_nearness
from mirrorplane.translators.names import (
    BLACK_HOLE,
    PASSTHROUGH,
    ClusterName,
    Transport,
    outbound,
    outbound_cluster,
    udp_cluster,
)
from mirrorplane.translators.settings import ISTIOS, mesh

_AS_EVER = ClusterPolicy()


def undeclared_cluster(view: View, visibility: Visibility) -> str:
    """Return the cluster for what was meant for hosts that nobody declared (Istio: outboundTrafficPolicy)."""
    said = sidecar_scope.allows_undeclared(view, visibility)
    if not (view.memo(mesh).allow_any if said is None else said):
        return BLACK_HOLE
    to = sidecar_scope.forwarder(view, visibility)
    return outbound(to.host, to.port, to.subset) if to else PASSTHROUGH


def find_policy(view: View, client: ClientKey, host: str) -> TrafficPolicy | None:
    """Return how a caller calls a host.

    Istio: look in the client's namespace, then in the service's, then in the root namespace; in each, the most
    specific host wins, and rules for one host are merged: oldest first, a subset name counts once, and so does what is
    said of the whole host. A rule for some clients goes before those for all, and is merged only with its like.
    Where none speaks of localities, the mesh does.
    """
    settings = view.memo(mesh)
    found = _of_levels(view, client, host, settings.root_namespace)
    return found if settings.locality_lb is None else with_nearness(found, settings.locality_lb, host, ISTIOS)


def _of_levels(view: View, client: ClientKey, host: str, root: str) -> TrafficPolicy | None:
    namespace = client.namespace
    service = view.memo(services.find_service, client.visibility, host)
    levels = (namespace, service.namespace if service else namespace, root)
    exact, *wider = candidates(host)
    said = (*_policies(view, client, exact), *(view.memo(_wide_policies, client, wider[0]) if wider else ()))
    for level in dict.fromkeys(levels):
        found = [policy for policy in said if policy.ref.namespace == level]
        if found:
            like = (found[0].host, found[0].client_labels)
            return _merged([policy for policy in found if (policy.host, policy.client_labels) == like])
    return None


def find_subset(view: View, client: ClientKey, host: str, name: str) -> Subset | None:
    """Return a named subset of a host, or None when no policy defines it."""
    found = view.memo(find_policy, client, host)
    return found.subset(name) if found else None


def subset_clients(view: View, client: ClientKey, host: str, name: str) -> Labels:
    """Return labels of clients of the caller's namespace for which alone a policy defines a subset."""
    for pattern in candidates(host):
        for obj in view.by("policy.host", pattern):
            for said in view.lowered(obj.ref).policies:
                if said.client_labels and said.namespace == client.namespace and said.subset(name):
                    return said.client_labels
    return ()


def cluster_policy(view: View, client: ClientKey, to: ClusterName) -> ClusterPolicy:
    """Return how a caller calls a port of a host, or of a subset of it.

    Gateway API: what a BackendTLSPolicy says goes before what a DestinationRule says of TLS, at routers.
    """
    found = view.memo(find_policy, client, to.host)
    said = found.cluster_policy(to.port, to.subset) if found else _AS_EVER
    secured = backend_tls.client_tls(view, client, to) if client.router else None
    return said if secured is None else msgspec.structs.replace(said, tls=secured)


def target_port(view: View, visibility: Visibility, to: Destination, listener_port: int) -> int:
    """Return the port a destination means: its own, else the service's only one, else the listener's (Istio)."""
    if to.port:
        return to.port
    service = view.memo(services.find_service, visibility, to.host)
    return service.ports[0].number if service and len(service.ports) == 1 else listener_port


def port_of(service: Service, number: int, *, udp: bool = False) -> Port | None:
    """Return a service's port by number; with `udp` that for UDP, which else does not count."""
    for port in service.ports:
        if port.number == number and (port.protocol is Protocol.UDP) is udp:
            return port
    return None


def port_called(service: Service, to: ClusterName) -> Port | None:
    """Return the port of a service that a cluster calls."""
    return port_of(service, to.port, udp=to.transport is Transport.UDP)


def tcp_endpoints(view: View, owner: Ref, host: str, number: int) -> tuple[Endpoint, ...]:
    """Return everything that answers on a port of the service that an object declares under a host, sorted.

    What EndpointSlices (or the service itself) list, else the Pods it selects; WorkloadEntries it selects join either.
    Istio: what other ServiceEntries of the namespace say of the host, for a port of that name, joins too.
    """
    return _answering(view, owner, outbound_cluster(host, number))


def udp_endpoints(view: View, owner: Ref, host: str, number: int) -> tuple[Endpoint, ...]:
    """Return the same for a port for UDP."""
    return _answering(view, owner, udp_cluster(host, number))


def port_endpoints(view: View, service: Service, port: Port) -> tuple[Endpoint, ...]:
    """Return everything that answers on a port of a service, sorted."""
    asked = udp_endpoints if port.protocol is Protocol.UDP else tcp_endpoints
    return view.memo(asked, service.ref, service.host, port.number)


def _answering(view: View, owner: Ref, to: ClusterName) -> tuple[Endpoint, ...]:
    service = next((s for s in view.lowered(owner).services if s.host == to.host), None)
    port = port_called(service, to) if service else None
    if service is None or port is None:
        return ()
    found = _of_port(view, service, port)
    for other in _others(view, service):
        found |= {e for p in other.ports if p.name == port.name for e in _of_port(view, other, p)}
    if service.resolution is Resolution.ENDPOINTS:  # only DNS can use names; Istio leaves them out elsewhere
        found = {e for e in found if is_ip(e.address) or is_unix(e.address)}
    else:
        found = {e for e in found if not is_unix(e.address)}
    return tuple(sorted(found))


def _of_port(view: View, service: Service, port: Port) -> set[Endpoint]:
    stated = view.by("endpoints.service", str(service.ref))
    listed = {
        endpoint
        for obj in stated
        for group in view.lowered(obj.ref).endpoints
        if group.service == service.ref and group.port_name == port.name
        for endpoint in group.endpoints
    }
    return listed.union(_selected(view, service, port, without_pods=bool(stated) and not _is_entry(service)))


def _others(view: View, service: Service) -> list[Service]:
    """Return the services of the same host that other ServiceEntries of the namespace declare."""
    if not _is_entry(service):
        return []
    return [
        other
        for obj in view.by("service.host", service.host)
        if obj.ref != service.ref and (obj.ref.kind, obj.ref.namespace) == (service.ref.kind, service.namespace)
        for other in view.lowered(obj.ref).services
        if other.host == service.host
    ]


def _is_entry(service: Service) -> bool:
    """Tell whether it is not Kubernetes' own, so that no EndpointSlices speak for its Pods."""
    return "/" in service.ref.kind


def _selected(view: View, service: Service, port: Port, *, without_pods: bool) -> list[Endpoint]:
    if not service.selector:
        return []
    wanted = set(service.selector)
    key, value = service.selector[0]
    found = []
    for obj in view.by("workload.label", f"{service.namespace}|{key}={value}"):
        for load in view.lowered(obj.ref).workloads:
            number = _number(dict(load.ports), port)
            if wanted <= set(load.labels) and number and not (load.in_endpoint_slices and without_pods):
                where = 0 if is_unix(load.address) else number
                found.append(Endpoint(load.locality, load.address, where, load.labels, load.healthy, load.weight))
    return found


def _number(named: dict[str, int], port: Port) -> int:
    """Return the number a workload listens on: a name it knows (0 when it does not), else the target, else the port.

    A WorkloadEntry's ports are keyed by the service port's name, a Pod's by the container port's.
    """
    if isinstance(port.target_port, str):
        return named.get(port.target_port, 0)
    return named.get(port.name) or port.target_port or port.number


def _policies(view: View, client: ClientKey, pattern: str) -> list[TrafficPolicy]:
    """Return the policies for exactly this host or wildcard that hold for a caller, oldest first.

    Istio: those for some clients go before.
    """
    found = [
        policy
        for obj in view.by("policy.host", pattern)
        for policy in view.lowered(obj.ref).policies
        if exported(policy.export_to, policy.namespace, client.namespace)
        and set(policy.client_labels) <= set(client.labels)
    ]
    return sorted(found, key=lambda p: (not p.client_labels, p.created, p.ref.name))


def _wide_policies(view: View, client: ClientKey, wildcard: str) -> tuple[TrafficPolicy, ...]:
    """Return the policies for a wildcard and those above it; all hosts that it is the nearest of share the answer."""
    return tuple(policy for pattern in candidates(wildcard) for policy in _policies(view, client, pattern))


def _merged(found: list[TrafficPolicy]) -> TrafficPolicy:
    first = found[0]
    subsets = {s.name: s for policy in reversed(found) for s in policy.subsets}
    ordered = dict.fromkeys(s.name for policy in found for s in policy.subsets)
    return TrafficPolicy(
        host=first.host,
        namespace=first.namespace,
        ref=first.ref,
        subsets=tuple(subsets[name] for name in ordered),
        export_to=first.export_to,
        created=first.created,
        layer=next((policy.layer for policy in found if policy.layer), None),
        client_labels=first.client_labels,
    )
