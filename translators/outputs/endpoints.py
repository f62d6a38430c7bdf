"""ClusterLoadAssignments: the endpoints of a service's port, for the clusters that use EDS."""

from mirrorplane.api.cluster_policy import ClusterPolicy
from mirrorplane.api.hosts import UNIX, is_unix
from mirrorplane.api.mesh import Endpoint
from mirrorplane.api.meta import Labels, Ref
from mirrorplane.api.proxy import ClientKey, EndpointView, Scope, Visibility
from mirrorplane.api.resource import ENDPOINT, Resource
from mirrorplane.api.view import View
from mirrorplane.translators import envoy
from mirrorplane.translators.contract import Output
from mirrorplane.translators.lookups import services
from mirrorplane.translators.lookups.endpoints import cluster_port, tcp_endpoints, udp_endpoints
from mirrorplane.translators.lookups.locality_lb import Group, group_endpoints
from mirrorplane.translators.lookups.policies import find_policy
from mirrorplane.translators.names import Transport, parse_cluster
from mirrorplane.translators.parts import service_clusters

_NO_POLICY, _NO_LOCALITY = ClusterPolicy(), EndpointView(ClientKey(Visibility("")))
_HEALTHY, _UNHEALTHY = envoy.HealthStatus.Value("HEALTHY"), envoy.HealthStatus.Value("UNHEALTHY")


def assignments(view: View, scope: Scope) -> tuple[tuple[str, ...], ...]:
    """Return the names: those of the outbound clusters. A mirror's cluster shares the live one's endpoints."""
    partitions = view.memo(services.partitions, scope.visibility)
    return tuple(view.memo(service_clusters.eds_clusters, scope.client, partition) for partition in partitions)


def build(view: View, endpoint_view: EndpointView, name: str) -> Resource | None:
    """Return one assignment, the same for all proxies with this EndpointView."""
    cluster, client = parse_cluster(name), endpoint_view.client
    service = view.memo(services.find_service, client.visibility, cluster.host) if cluster else None
    port = cluster_port(service, cluster) if service and cluster else None
    if cluster is None or cluster.endpoints != name or service is None or port is None:
        return None
    rules = view.memo(find_policy, client, cluster.host)
    subset = rules.subset(cluster.subset) if rules and cluster.subset else None
    if cluster.subset and subset is None:
        return None
    cluster_policy = rules.cluster_policy(cluster.port, cluster.subset) if rules else _NO_POLICY
    labels = subset.labels if subset else ()
    if cluster_policy.outlier_detection is None and cluster_policy.load_balancer is None:
        # Nothing depends on the proxy's locality: one assignment serves all proxies.
        return view.memo(assignment, service.ref, name, labels)
    ready = _without_unready(_labelled(view, service.ref, name, labels), cluster_policy)
    return _encode(name, group_endpoints(ready, cluster_policy, endpoint_view))


def assignment(view: View, owner: Ref, name: str, labels: Labels) -> Resource:
    """Return the endpoints with these labels, by locality. Unready ones are included as UNHEALTHY (Istio)."""
    return _encode(name, group_endpoints(_labelled(view, owner, name, labels), _NO_POLICY, _NO_LOCALITY))


def _without_unready(endpoints: list[Endpoint], policy: ClusterPolicy) -> list[Endpoint]:
    """Leave unready endpoints out where a panic threshold is set (Istio): in panic, Envoy would call them too."""
    panics = policy.outlier_detection is not None and policy.outlier_detection.min_health_percent
    return [endpoint for endpoint in endpoints if endpoint.healthy] if panics else endpoints


def _labelled(view: View, owner: Ref, name: str, labels: Labels) -> list[Endpoint]:
    cluster, required = parse_cluster(name), set(labels)
    if cluster is None:
        return []
    find_endpoints = udp_endpoints if cluster.transport is Transport.UDP else tcp_endpoints
    listed = view.memo(find_endpoints, owner, cluster.host, cluster.port)
    return [endpoint for endpoint in listed if required <= set(endpoint.labels)]


def _encode(name: str, groups: tuple[Group, ...]) -> Resource:
    body = envoy.ClusterLoadAssignment(cluster_name=name)
    for group in groups:
        locality, source = body.endpoints.add(priority=group.priority), group.locality
        locality.locality.CopyFrom(envoy.Locality(region=source.region, zone=source.zone, sub_zone=source.subzone))
        for endpoint in group.endpoints:
            _fill(locality.lb_endpoints.add(), endpoint)
        # Envoy ignores a locality without a weight where the cluster weighs localities.
        locality.load_balancing_weight.value = group.weight
    return envoy.resource(ENDPOINT, name, envoy.encode(body))


def _fill(body: envoy.LbEndpoint, endpoint: Endpoint) -> None:
    if is_unix(endpoint.address):
        body.endpoint.address.pipe.path = endpoint.address.removeprefix(UNIX)
    else:
        address = body.endpoint.address.socket_address
        address.address, address.port_value = endpoint.address, endpoint.port
    body.health_status = _HEALTHY if endpoint.healthy else _UNHEALTHY
    body.load_balancing_weight.value = endpoint.weight


OUTPUT = Output(ENDPOINT, assignments, build, cache_key=lambda scope: scope.endpoint_view)
