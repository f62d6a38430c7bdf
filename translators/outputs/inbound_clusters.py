"""Clusters of what comes in: the workload itself, by the address that was dialled, from one that says who calls."""

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
from mirrorplane.translators.sidecars.inbound import Entry, entries, entry

_FROM = "127.0.0.6"
"""Istio: what comes from here is not brought to the sidecar again."""


def clusters(view: View, scope: Scope) -> tuple[tuple[str, ...]]:
    """Return the names: one for each port of the workload, and one for all others."""
    return ((*(inbound(each.port) for each in view.memo(entries, scope)), INBOUND_PASSTHROUGH),)


def build(view: View, scope: Scope, name: str) -> Resource | None:
    """Return one cluster."""
    asked = parse_cluster(name)
    found = entry(view, scope, asked.port) if asked else None
    if asked is not None and found is None:
        return None
    body, pool = envoy.Cluster(name=name, alt_stat_name=f"{name};"), found.pool if found else None
    if found is not None and found.address:
        _fix(body, found)
    else:
        _dial(body, found.target if found else 0)
    connection_pool.limit(body, ClusterPolicy(connection_pool=pool), view.memo(mesh))
    if found is not None and not found.protocol.is_l4:
        http = envoy.packed(connection_pool.http(found.protocol, pool, upgrade=False))
        body.typed_extension_protocol_options[UPSTREAM_HTTP].CopyFrom(http)
    return envoy.resource(CLUSTER, name, envoy.encode(body))


def _dial(body: envoy.Cluster, port: int) -> None:
    """Call the address that was dialled, on a port of its own where there is one."""
    body.type = envoy.Cluster.ORIGINAL_DST
    body.lb_policy = envoy.Cluster.CLUSTER_PROVIDED
    body.upstream_bind_config.source_address.CopyFrom(envoy.SocketAddress(address=_FROM, port_value=0))
    if port:
        body.original_dst_lb_config.upstream_port_override.value = port


def _fix(body: envoy.Cluster, entry: Entry) -> None:
    body.type = envoy.Cluster.STATIC
    body.load_assignment.cluster_name = body.name
    where = envoy.SocketAddress(address=entry.address, port_value=entry.target)
    endpoint = envoy.Endpoint(address=envoy.Address(socket_address=where))
    body.load_assignment.endpoints.add().lb_endpoints.add(endpoint=endpoint)


OUTPUT = Output(CLUSTER, clusters, build, serves=lambda scope: scope.intercepted)
