"""Clusters that only a sidecar's routes in use need: guarded ones for mirrors, and `http2|...`. See decision 0001."""

from mirrorplane.api.proxy import SIDECAR, Scope
from mirrorplane.api.resource import CLUSTER
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Output
from mirrorplane.translators.lookups import services
from mirrorplane.translators.parts import virtual_hosts
from mirrorplane.translators.parts.clusters import build_dedicated, dedicated_key


def names(view: View, scope: Scope) -> tuple[tuple[str, ...]]:
    """Return the names, sorted."""
    outbound, partitions = scope.outbound, view.memo(services.partitions, scope.visibility)
    clusters = {
        name
        for port in view.memo(services.http_ports, scope.visibility)
        for partition in partitions
        for name in view.memo(virtual_hosts.dedicated_clusters, outbound, port, partition)
    }
    return (tuple(sorted(clusters)),)


OUTPUT = Output(CLUSTER, names, build_dedicated, cache_key=dedicated_key, serves=lambda scope: scope.role == SIDECAR)
