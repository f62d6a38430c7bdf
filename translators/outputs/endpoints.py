"""ClusterLoadAssignments: who answers on a service's port, for the clusters whose endpoints come from us."""

from itertools import groupby

from api.mesh import Endpoint, Labels, Resolution
from api.meta import Ref
from api.proxy import Scope
from api.resource import ENDPOINT, Resource
from api.view import View
from translators import envoy, visible
from translators.contract import Output
from translators.lookups import endpoints, live_clusters, port_of, subset
from translators.names import OUTBOUND, parse_cluster

_LARGEST_SUM = (1 << 32) - 1


def assignments(view: View, scope: Scope) -> tuple[str, ...]:
    """Return the names: those of the outbound clusters. A mirror's cluster shares the live one's endpoints."""
    return tuple(
        name
        for host in view.memo(visible.hosts, scope.namespace)
        for name in view.memo(_of_host, scope.namespace, host)
    )


def build(view: View, scope: Scope, name: str) -> Resource | None:
    """Return one assignment."""
    asked = parse_cluster(name)
    service = view.memo(visible.service, scope.namespace, asked.host) if asked else None
    port = port_of(service, asked.port) if service and asked else None
    if asked is None or asked.direction != OUTBOUND or service is None or port is None:
        return None
    chosen = view.memo(subset, scope.namespace, asked.host, asked.subset) if asked.subset else None
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
        local = list(group)
        body.endpoints.add(
            locality=envoy.Locality(region=locality.region, zone=locality.zone, sub_zone=locality.subzone),
            lb_endpoints=[_endpoint(e) for e in local],
            load_balancing_weight=envoy.UInt32Value(value=min(sum(e.weight for e in local), _LARGEST_SUM)),
        )
    return envoy.resource(ENDPOINT, name, envoy.encode(body))


def _of_host(view: View, namespace: str, host: str) -> tuple[str, ...]:
    service = view.memo(visible.service, namespace, host)
    ours = service is not None and service.resolution is Resolution.ENDPOINTS
    return view.memo(live_clusters, namespace, host) if ours else ()


def _endpoint(said: Endpoint) -> envoy.LbEndpoint:
    where = envoy.Address(socket_address=envoy.SocketAddress(address=said.address, port_value=said.port))
    return envoy.LbEndpoint(
        endpoint=envoy.Endpoint(address=where),
        health_status="HEALTHY" if said.healthy else "UNHEALTHY",
        load_balancing_weight=envoy.UInt32Value(value=said.weight),
    )


OUTPUT = Output(ENDPOINT, assignments, build)
