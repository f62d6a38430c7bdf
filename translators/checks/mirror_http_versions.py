"""Do mirrors speak the HTTP version of the requests that they copy? gRPC needs HTTP/2 from end to end."""

from collections.abc import Iterator

from mirrorplane.api.actions import Destination
from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.mesh import Port
from mirrorplane.api.mirrors import Mirror
from mirrorplane.api.proxy import ClientKey, Visibility
from mirrorplane.api.routes import Route, RouteTable
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Check
from mirrorplane.translators.lookups import services
from mirrorplane.translators.lookups.endpoints import port_of
from mirrorplane.translators.lookups.policies import cluster_policy, target_port
from mirrorplane.translators.names import mirror_cluster
from mirrorplane.translators.port_protocols import requires_http2
from mirrorplane.translators.settings import mesh


def table(view: View, table: RouteTable) -> tuple[Finding, ...]:
    """Return a warning for each mirror that gets HTTP/2 requests, by their destinations' ports, over HTTP/1.1."""
    router = services.MESH not in table.gateways
    client = ClientKey(Visibility(table.ref.namespace), holds_secrets=router, router=router)
    return tuple(dict.fromkeys(finding for route in table.routes for finding in _findings(view, client, route)))


def _findings(view: View, client: ClientKey, route: Route) -> Iterator[Finding]:
    originals = [d for d in route.destinations if not d.fails]
    if not originals or not all(_speaks_http2(view, client, d, _port(view, client, d)) for d in originals):
        return
    for mirror in (mirror for mirror in route.mirrors if mirror.ref == route.ref):
        port = _port(view, client, mirror.destination)
        if port is None or port.protocol.is_l4 or _speaks_http2(view, client, mirror.destination, port):
            continue
        yield _finding(mirror, port)


def _finding(mirror: Mirror, port: Port) -> Finding:
    destination = mirror.destination
    message = (
        f"port {port.number} of {destination.host} does not declare HTTP/2, so copies are sent over HTTP/1.1: copies "
        "of gRPC calls fail"
    )
    fix = "prefix the port's name with grpc- or http2-, or set appProtocol"
    return Finding(mirror.ref, "MirrorNotHttp2", message, f"{destination.path}.port", Severity.WARNING, fix)


def _port(view: View, client: ClientKey, destination: Destination) -> Port | None:
    service = view.memo(services.find_service, client.visibility, destination.host)
    return port_of(service, target_port(view, client.visibility, destination, 0)) if service else None


def _speaks_http2(view: View, client: ClientKey, destination: Destination, port: Port | None) -> bool:
    """Tell whether a destination is called over HTTP/2, whatever the client speaks."""
    if port is None:
        return False
    cluster = mirror_cluster(destination.host, port.number, destination.subset)
    pool = cluster_policy(view, client, cluster).connection_pool
    return destination.http2 or requires_http2(port.protocol, pool, upgrade=view.memo(mesh).http2)


CHECK = Check(table=table)
