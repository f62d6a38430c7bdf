"""Clusters that a sidecar's mirrors send to: a guarded one for each target that a route in use copies to."""

from api.proxy import SIDECAR, Scope
from api.resource import CLUSTER
from api.view import View
from translators import visible
from translators.contract import Output
from translators.parts import virtual_hosts
from translators.parts.clusters import build


def names(view: View, scope: Scope) -> tuple[tuple[str, ...]]:
    """Return the names, sorted."""
    client, parts = scope.client, range(view.memo(visible.services, scope.viewer))
    found = {
        name
        for port in view.memo(visible.http_ports, scope.viewer)
        for part in parts
        for name in view.memo(virtual_hosts.copies, client, port, part)
    }
    return (tuple(sorted(found)),)


OUTPUT = Output(CLUSTER, names, build, key=lambda scope: scope.caller, serves=lambda scope: scope.role == SIDECAR)
