"""Does a mirror lead back to the routers that copy? Copies come back once, and are not copied again (decision 0125)."""

from collections.abc import Iterator

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.hosts import covers
from mirrorplane.api.mirrors import Mirror
from mirrorplane.api.proxy import Visibility
from mirrorplane.api.routes import Forward, Route, RouteTable
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Check
from mirrorplane.translators.lookups.endpoints import endpoint_labels
from mirrorplane.translators.lookups.gateways import selecting_gateways
from mirrorplane.translators.lookups.policies import target_port
from mirrorplane.translators.lookups.returning_copies import copy_hosts
from mirrorplane.translators.lookups.services import MESH, find_service


def table(view: View, table: RouteTable) -> tuple[Finding, ...]:
    """Return a warning for each mirror that is sent to the routers of a gateway of its rule, with a Host of the table.

    Only for Pods: whether another address is a router's is not known. Nor is what a profile changes on copies, which
    may be what another rule of the gateway matches.
    """
    findings = (
        finding
        for route in table.routes
        for forward in route.forwards
        for finding in _findings(view, table, route, forward)
    )
    return tuple(dict.fromkeys(findings))


def _findings(view: View, table: RouteTable, route: Route, forward: Forward) -> Iterator[Finding]:
    gateways = {name for name in route.match.gateways or table.gateways if name != MESH}
    for mirror in forward.mirrors if gateways else ():
        copies = copy_hosts(mirror, forward, table.hosts)
        if mirror.profile or not any(covers(host, copy) for host in table.hosts for copy in copies):
            continue
        loops = sorted(gateways & _gateways_at(view, table, mirror))
        if loops:
            message = (
                f"{mirror.destination.host} is the routers of gateway {', '.join(loops)}, which apply this rule: each"
                " copy comes back and is forwarded once more, without being copied again"
            )
            # Of a mirror that a delegate has, the table's own object binds it to the gateway.
            path = mirror.destination.path if mirror.ref == table.ref else "spec.gateways"
            fix = "mirror to a Service of workloads"
            yield Finding(table.ref, "MirrorLoop", message, path, Severity.WARNING, fix)


def _gateways_at(view: View, table: RouteTable, mirror: Mirror) -> set[str]:
    """Return the names of the gateways whose routers are endpoints of a mirror."""
    visibility, destination = Visibility(table.ref.namespace), mirror.destination
    service = view.memo(find_service, visibility, destination.host)
    if service is None:
        return set()
    port = target_port(view, visibility, destination, 0)
    labels = view.memo(endpoint_labels, service.ref, service.host, port)
    refs = {ref for each in labels for ref in view.memo(selecting_gateways, each, service.namespace)}
    return {gateway.name for ref in refs for gateway in view.lowered(ref).gateways}


CHECK = Check(table=table)
