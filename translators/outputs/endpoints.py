"""ClusterLoadAssignments: who answers on a service's port, for the clusters whose endpoints come from us."""

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
from mirrorplane.translators.lookups.locality_lb import Group, grouped
from mirrorplane.translators.lookups.policies import datagram_endpoints, endpoints, policy, port_called
from mirrorplane.translators.names import Transport, parse_cluster
from mirrorplane.translators.parts import service_clusters

_AS_EVER, _ANYWHERE = ClusterPolicy(), EndpointView(ClientKey(Visibility("")))
_HEALTHY, _UNHEALTHY = envoy.HealthStatus.Value("HEALTHY"), envoy.HealthStatus.Value("UNHEALTHY")


def assignments(view: View, scope: Scope) -> tuple[tuple[str, ...], ...]:
    """Return the names: those of the outbound clusters. A mirror's cluster shares the live one's endpoints."""
    parts = range(view.memo(services.services, scope.visibility))
    return tuple(view.memo(service_clusters.from_us, scope.client, part) for part in parts)


def build(view: View, seen_from: EndpointView, name: str) -> Resource | None:
    """Return one assignment, as proxies that are one caller have it that see endpoints from one place."""
    asked, client = parse_cluster(name), seen_from.client
    service = view.memo(services.service, client.visibility, asked.host) if asked else None
    port = port_called(service, asked) if service and asked else None
    if asked is None or asked.endpoints != name or service is None or port is None:
        return None
    rules = view.memo(policy, client, asked.host)
    chosen = rules.subset(asked.subset) if rules and asked.subset else None
    if asked.subset and chosen is None:
        return None
    said = rules.cluster_policy(asked.port, asked.subset) if rules else _AS_EVER
    labels = chosen.labels if chosen else ()
    if said.outlier_detection is None and said.load_balancer is None:
        return view.memo(assignment, service.ref, name, labels)
    found = _preferred(_chosen(view, service.ref, name, labels), said)
    return _assignment(name, grouped(found, said, seen_from))


def assignment(view: View, owner: Ref, name: str, labels: Labels) -> Resource:
    """Return the endpoints that carry the labels, by locality. Unready ones are there too, marked unhealthy (Istio)."""
    return _assignment(name, grouped(_chosen(view, owner, name, labels), _AS_EVER, _ANYWHERE))


def _preferred(found: list[Endpoint], said: ClusterPolicy) -> list[Endpoint]:
    """Leave unready endpoints out where all are called when few are left (Istio): they would be, too."""
    panics = said.outlier_detection is not None and said.outlier_detection.min_health_percent
    return [endpoint for endpoint in found if endpoint.healthy] if panics else found


def _chosen(view: View, owner: Ref, name: str, labels: Labels) -> list[Endpoint]:
    asked, wanted = parse_cluster(name), set(labels)
    if asked is None:
        return []
    answering = datagram_endpoints if asked.transport is Transport.UDP else endpoints
    found = view.memo(answering, owner, asked.host, asked.port)
    return [e for e in found if wanted <= set(e.labels)]


def _assignment(name: str, groups: tuple[Group, ...]) -> Resource:
    body = envoy.ClusterLoadAssignment(cluster_name=name)
    for group in groups:
        where, place = body.endpoints.add(priority=group.priority), group.locality
        where.locality.CopyFrom(envoy.Locality(region=place.region, zone=place.zone, sub_zone=place.subzone))
        for said in group.endpoints:
            _fill(where.lb_endpoints.add(), said)
        where.load_balancing_weight.value = group.weight
    return envoy.resource(ENDPOINT, name, envoy.encode(body))


def _fill(endpoint: envoy.LbEndpoint, said: Endpoint) -> None:
    if is_unix(said.address):
        endpoint.endpoint.address.pipe.path = said.address.removeprefix(UNIX)
    else:
        where = endpoint.endpoint.address.socket_address
        where.address, where.port_value = said.address, said.port
    endpoint.health_status = _HEALTHY if said.healthy else _UNHEALTHY
    endpoint.load_balancing_weight.value = said.weight


OUTPUT = Output(ENDPOINT, assignments, build, cache_key=lambda scope: scope.endpoint_view)
