"""Inbound clusters of a sidecar: its own workload, one for each port."""

from mirrorplane.api.cluster_policy import ClusterPolicy
from mirrorplane.api.proxy import Scope
from mirrorplane.api.resource import CLUSTER, Resource
from mirrorplane.api.view import View
from mirrorplane.translators import envoy
from mirrorplane.translators.contract import Output
from mirrorplane.translators.names import INBOUND_PASSTHROUGH, inbound, parse_cluster
from mirrorplane.translators.parts import connection_pool
from mirrorplane.translators.parts.clusters import UPSTREAM_HTTP
from mirrorplane.translators.settings import mesh
from mirrorplane.translators.sidecars.inbound import InboundPort, find_inbound_port, inbound_ports

_SOURCE_ADDRESS = "127.0.0.6"
"""The address from which the sidecar dials its workload: interception leaves it alone, so no loop arises (Istio)."""


def clusters(view: View, scope: Scope) -> tuple[tuple[str, ...]]:
    """Return the names: one for each port of the workload, and one for all others."""
    return ((*(inbound(port.port) for port in view.memo(inbound_ports, scope)), INBOUND_PASSTHROUGH),)


def build(view: View, scope: Scope, name: str) -> Resource | None:
    """Return one cluster."""
    cluster = parse_cluster(name)
    port = find_inbound_port(view, scope, cluster.port) if cluster else None
    if cluster is not None and port is None:
        return None
    body, pool = envoy.Cluster(name=name, alt_stat_name=f"{name};"), port.pool if port else None
    if port is not None and port.address:
        _use_address(body, port)
    else:
        _use_original_dst(body, port.target if port else 0)
    connection_pool.limit(body, ClusterPolicy(connection_pool=pool), view.memo(mesh))
    if port is not None and not port.protocol.is_l4:
        http = envoy.packed(connection_pool.http(port.protocol, pool))
        body.typed_extension_protocol_options[UPSTREAM_HTTP].CopyFrom(http)
    return envoy.resource(CLUSTER, name, envoy.encode(body))


def _use_original_dst(body: envoy.Cluster, port: int) -> None:
    """Dial the original destination address, on another `port` unless it is 0."""
    body.type = envoy.Cluster.ORIGINAL_DST
    body.lb_policy = envoy.Cluster.CLUSTER_PROVIDED
    body.upstream_bind_config.source_address.CopyFrom(envoy.SocketAddress(address=_SOURCE_ADDRESS, port_value=0))
    if port:
        # The client dialled the service's port; the workload listens on the target port.
        body.original_dst_lb_config.upstream_port_override.value = port


def _use_address(body: envoy.Cluster, port: InboundPort) -> None:
    """Dial the address that the Sidecar sets (Istio: defaultEndpoint)."""
    body.type = envoy.Cluster.STATIC
    body.load_assignment.cluster_name = body.name
    address = envoy.SocketAddress(address=port.address, port_value=port.target)
    endpoint = envoy.Endpoint(address=envoy.Address(socket_address=address))
    body.load_assignment.endpoints.add().lb_endpoints.add(endpoint=endpoint)


OUTPUT = Output(CLUSTER, clusters, build, serves=lambda scope: scope.intercepted)
