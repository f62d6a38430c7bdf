"""Clusters for live requests: one for each port and subset of each visible service, and Istio's two fixed ones."""

from mirrorplane.api.proxy import ClientKey, Scope
from mirrorplane.api.resource import CLUSTER, Resource
from mirrorplane.api.settings import MeshSettings
from mirrorplane.api.view import View
from mirrorplane.translators import envoy
from mirrorplane.translators.contract import Output
from mirrorplane.translators.lookups import services
from mirrorplane.translators.names import BLACK_HOLE, PASSTHROUGH
from mirrorplane.translators.parts import connection_pool, service_clusters
from mirrorplane.translators.parts.clusters import build as service_cluster


def names(view: View, scope: Scope) -> tuple[tuple[str, ...], ...]:
    """Return the names."""
    partitions = view.memo(services.partitions, scope.visibility)
    return (
        *(view.memo(service_clusters.clusters, scope.client, partition) for partition in partitions),
        (PASSTHROUGH, BLACK_HOLE),
    )


def build(view: View, key: tuple[ClientKey, bool], name: str) -> Resource | None:
    """Return one cluster. `key` is the ClientKey of the proxies, and whether they intercept."""
    client, intercepted = key
    return (
        _fixed(name)
        if name in {PASSTHROUGH, BLACK_HOLE}
        else service_cluster(view, client, name, intercepted=intercepted)
    )


def _fixed(name: str) -> Resource:
    body = envoy.Cluster(name=name, connect_timeout=envoy.duration(MeshSettings().connect_timeout_ms))
    if name == PASSTHROUGH:
        # Without an original destination, as in a proxy that does not intercept, Envoy answers 503.
        body.type = envoy.Cluster.ORIGINAL_DST
        body.lb_policy = envoy.Cluster.CLUSTER_PROVIDED
        connection_pool.unlimited(body)
    else:
        body.type = envoy.Cluster.STATIC  # without endpoints: connections are closed
    return envoy.resource(CLUSTER, name, envoy.encode(body))


OUTPUT = Output(CLUSTER, names, build, cache_key=lambda scope: (scope.client, scope.intercepted))
