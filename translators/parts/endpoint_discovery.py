"""How a cluster finds its endpoints: from us (EDS), from DNS, or from the address the client dialled."""

from mirrorplane.api.mesh import Endpoint, Port, Resolution, Service
from mirrorplane.api.proxy import ClientKey, Locality
from mirrorplane.api.view import View
from mirrorplane.translators import envoy
from mirrorplane.translators.lookups.policies import endpoints_of, port_called, subset
from mirrorplane.translators.names import ClusterName
from mirrorplane.translators.parts.network_filters import ads
from mirrorplane.translators.settings import mesh


def fill(view: View, client: ClientKey, body: envoy.Cluster, service: Service, asked: ClusterName) -> bool:
    """Fill in a cluster's discovery; says whether there is anything to discover (Istio: else there is no cluster).

    How it chooses among them is said before. A mirror's cluster asks for the same endpoints as the live one.
    """
    if body.lb_policy == envoy.Cluster.CLUSTER_PROVIDED:
        body.type = envoy.Cluster.ORIGINAL_DST
        return True
    if service.resolution is Resolution.ENDPOINTS:
        body.type = envoy.Cluster.EDS
        body.eds_cluster_config.service_name = asked.endpoints
        body.eds_cluster_config.eds_config.CopyFrom(ads())
        return True
    chosen = subset(view, client, service.host, asked.subset) if asked.subset else None
    port = port_called(service, asked)
    assert port is not None
    named = _named(view, service, port, set(chosen.labels) if chosen else set())
    _ask_dns(body, named, view.memo(mesh).dns_refresh_ms, once=service.resolution is Resolution.DNS_ROUND_ROBIN)
    return bool(named)


def _ask_dns(body: envoy.Cluster, named: list[Endpoint], refresh_ms: int, *, once: bool) -> None:
    """Ask DNS as Istio has Envoy ask: IPv4, as often as the answer allows. `once`: one address at a time will do."""
    dns = envoy.DnsCluster(
        dns_lookup_family=envoy.DnsLookupFamily.V4_ONLY,
        dns_refresh_rate=envoy.duration(refresh_ms),
        respect_dns_ttl=True,
        all_addresses_in_single_endpoint=once,
    )
    body.cluster_type.CopyFrom(
        envoy.Cluster.CustomClusterType(name="envoy.cluster.dns", typed_config=envoy.packed(dns))
    )
    body.load_assignment.cluster_name = body.name
    group = body.load_assignment.endpoints.add()
    for said in named[:1] if once else named:
        where = envoy.SocketAddress(address=said.address, port_value=said.port)
        group.lb_endpoints.add(endpoint=envoy.Endpoint(address=envoy.Address(socket_address=where)))


def _named(view: View, service: Service, port: Port, labels: set[tuple[str, str]]) -> list[Endpoint]:
    """Return the names to ask for: the endpoints' addresses, or the host itself when the service lists none (Istio)."""
    stated = endpoints_of(view, service, port)
    number = port.target_port if isinstance(port.target_port, int) and port.target_port else port.number
    return [e for e in stated if labels <= set(e.labels)] if stated else [Endpoint(Locality(), service.host, number)]
