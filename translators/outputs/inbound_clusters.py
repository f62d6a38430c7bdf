"""Clusters of what comes in: the workload itself, by the address that was dialled, from one that says who calls."""

from api.proxy import Scope
from api.resource import CLUSTER, Resource
from api.view import View
from translators import envoy
from translators.contract import Output
from translators.inbound import entries, entry
from translators.lookups import mesh
from translators.names import INBOUND_PASSTHROUGH, inbound, parse_cluster
from translators.parts import pools
from translators.parts.clusters import UPSTREAM_HTTP

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
    body = envoy.Cluster(name=name, alt_stat_name=f"{name};", type=envoy.Cluster.ORIGINAL_DST)
    body.lb_policy = envoy.Cluster.CLUSTER_PROVIDED
    body.connect_timeout.CopyFrom(envoy.duration(view.memo(mesh).connect_timeout_ms))
    body.upstream_bind_config.source_address.CopyFrom(envoy.SocketAddress(address=_FROM, port_value=0))
    if found is not None and not found.protocol.is_bytes:
        http = envoy.packed(pools.http(found.protocol, None))
        body.typed_extension_protocol_options[UPSTREAM_HTTP].CopyFrom(http)
    return envoy.resource(CLUSTER, name, envoy.encode(body))


OUTPUT = Output(CLUSTER, clusters, build, serves=lambda scope: scope.intercepted)
