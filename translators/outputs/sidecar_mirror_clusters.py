"""Clusters that a sidecar's mirrors send to: a guarded one for each target that a route in use copies to."""

from mirrorplane.api.proxy import SIDECAR, Scope
from mirrorplane.api.resource import CLUSTER
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Output
from mirrorplane.translators.lookups import services
from mirrorplane.translators.parts import virtual_hosts
from mirrorplane.translators.parts.clusters import build


def names(view: View, scope: Scope) -> tuple[tuple[str, ...]]:
    """Return the names, sorted."""
    outbound, parts = scope.outbound, range(view.memo(services.services, scope.visibility))
    found = {
        name
        for port in view.memo(services.http_ports, scope.visibility)
        for part in parts
        for name in view.memo(virtual_hosts.dedicated_clusters, outbound, port, part)
    }
    return (tuple(sorted(found)),)


OUTPUT = Output(CLUSTER, names, build, cache_key=lambda scope: scope.client, serves=lambda scope: scope.role == SIDECAR)
