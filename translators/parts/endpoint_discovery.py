"""Where a cluster's endpoints come from: EDS, DNS, or the original destination address."""

from mirrorplane.api.mesh import Endpoint, Port, Resolution, Service
from mirrorplane.api.proxy import ClientKey, Locality
from mirrorplane.api.view import View
from mirrorplane.translators import envoy
from mirrorplane.translators.lookups.endpoints import cluster_port, port_endpoints
from mirrorplane.translators.lookups.policies import find_subset
from mirrorplane.translators.names import ClusterName
from mirrorplane.translators.parts.network_filters import ads
from mirrorplane.translators.settings import mesh


def fill(view: View, client: ClientKey, body: envoy.Cluster, service: Service, cluster: ClusterName) -> bool:
    """Set a cluster's discovery type; False, and nothing set, when DNS has nothing to resolve.

    `body.lb_policy` is set before. A mirror's cluster has the same endpoints as the live one.
    """
    if body.lb_policy == envoy.Cluster.CLUSTER_PROVIDED:
        # Envoy accepts this type only with the policy CLUSTER_PROVIDED, and the other way round.
        body.type = envoy.Cluster.ORIGINAL_DST
        return True
    if service.resolution is Resolution.ENDPOINTS:
        body.type = envoy.Cluster.EDS
        body.eds_cluster_config.service_name = cluster.endpoints
        body.eds_cluster_config.eds_config.CopyFrom(ads())
        return True
    labelled = find_subset(view, client, service.host, cluster.subset) if cluster.subset else None
    port = cluster_port(service, cluster)
    assert port is not None
    endpoints = _dns_names(view, service, port, set(labelled.labels) if labelled else set())
    if not endpoints:
        return False
    single = service.resolution is Resolution.DNS_ROUND_ROBIN
    _use_dns(body, endpoints, view.memo(mesh).dns_refresh_ms, single=single)
    return True


def _use_dns(body: envoy.Cluster, endpoints: list[Endpoint], refresh_ms: int, *, single: bool) -> None:
    """Resolve the endpoints with Istio's options: IPv4 only, refreshed when the record's TTL ends.

    `single`: only the first name, and one address at a time for new connections (Envoy's logical DNS).
    """
    dns = envoy.DnsCluster(
        dns_lookup_family=envoy.DnsLookupFamily.V4_ONLY,
        dns_refresh_rate=envoy.duration(refresh_ms),
        respect_dns_ttl=True,
        all_addresses_in_single_endpoint=single,
    )
    # The DNS fields of Cluster itself are deprecated in favour of this extension.
    body.cluster_type.CopyFrom(
        envoy.Cluster.CustomClusterType(name="envoy.cluster.dns", typed_config=envoy.packed(dns))
    )
    body.load_assignment.cluster_name = body.name
    locality = body.load_assignment.endpoints.add()
    # Envoy rejects a logical DNS cluster with a second endpoint.
    for endpoint in endpoints[:1] if single else endpoints:
        address = envoy.SocketAddress(address=endpoint.address, port_value=endpoint.port)
        locality.lb_endpoints.add(endpoint=envoy.Endpoint(address=envoy.Address(socket_address=address)))


def _dns_names(view: View, service: Service, port: Port, labels: set[tuple[str, str]]) -> list[Endpoint]:
    """Return the names to resolve: the endpoints', or the host itself when the service lists none (Istio).

    Endpoints that a service lists, and of which none can be used, are not replaced by the host.
    """
    endpoints = port_endpoints(view, service, port)
    number = port.target_port if isinstance(port.target_port, int) and port.target_port else port.number
    if not endpoints and not service.lists_endpoints:
        return [Endpoint(Locality(), service.host, number)]
    return [endpoint for endpoint in endpoints if labels <= set(endpoint.labels)]
