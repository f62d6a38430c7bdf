"""ClusterLoadAssignments: who answers on a service's port, for the clusters whose endpoints come from us."""

from itertools import groupby

from api.mesh import Endpoint
from api.meta import Labels, Ref
from api.proxy import Scope
from api.resource import ENDPOINT, Resource
from api.view import View
from translators import envoy, visible
from translators.contract import Output
from translators.lookups import endpoints, port_of, subset
from translators.names import OUTBOUND, parse_cluster
from translators.parts import live

_LARGEST_SUM = (1 << 32) - 1
_HEALTHY, _UNHEALTHY = envoy.HealthStatus.Value("HEALTHY"), envoy.HealthStatus.Value("UNHEALTHY")


def assignments(view: View, scope: Scope) -> tuple[tuple[str, ...], ...]:
    """Return the names: those of the outbound clusters. A mirror's cluster shares the live one's endpoints."""
    parts = range(view.memo(visible.services, scope.namespace))
    return tuple(view.memo(live.from_us, scope.namespace, part) for part in parts)


def build(view: View, namespace: str, name: str) -> Resource | None:
    """Return one assignment, as the proxies of a namespace have it."""
    asked = parse_cluster(name)
    service = view.memo(visible.service, namespace, asked.host) if asked else None
    port = port_of(service, asked.port) if service and asked else None
    if asked is None or asked.direction != OUTBOUND or service is None or port is None:
        return None
    chosen = subset(view, namespace, asked.host, asked.subset) if asked.subset else None
    if asked.subset and chosen is None:
        return None
    return view.memo(assignment, service.ref, name, chosen.labels if chosen else ())


def assignment(view: View, owner: Ref, name: str, labels: Labels) -> Resource:
    """Return the endpoints that carry the labels, by locality. Unready ones are there too, marked unhealthy (Istio)."""
    asked, wanted = parse_cluster(name), set(labels)
    found = view.memo(endpoints, owner, asked.host, asked.port) if asked else ()
    chosen = [e for e in found if wanted <= set(e.labels)]
    body = envoy.ClusterLoadAssignment(cluster_name=name)
    for locality, group in groupby(chosen, key=lambda e: e.locality):
        where, total = body.endpoints.add(), 0
        where.locality.CopyFrom(envoy.Locality(region=locality.region, zone=locality.zone, sub_zone=locality.subzone))
        for said in group:
            _fill(where.lb_endpoints.add(), said)
            total += said.weight
        where.load_balancing_weight.value = min(total, _LARGEST_SUM)
    return envoy.resource(ENDPOINT, name, envoy.encode(body))


def _fill(endpoint: envoy.LbEndpoint, said: Endpoint) -> None:
    where = endpoint.endpoint.address.socket_address
    where.address, where.port_value = said.address, said.port
    endpoint.health_status = _HEALTHY if said.healthy else _UNHEALTHY
    endpoint.load_balancing_weight.value = said.weight


OUTPUT = Output(ENDPOINT, assignments, build, key=lambda scope: scope.namespace)
