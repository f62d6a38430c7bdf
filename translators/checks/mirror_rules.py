"""Does a rule with mirrors ever get a request? HTTP rules do not apply to ports whose connections are not parsed."""

from collections.abc import Iterator

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.gateways import ServerProtocol
from mirrorplane.api.mesh import Port, Protocol
from mirrorplane.api.proxy import Visibility
from mirrorplane.api.routes import Route, RouteTable
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Check
from mirrorplane.translators.lookups.services import MESH, find_service


def table(view: View, table: RouteTable) -> tuple[Finding, ...]:
    """Return a warning for each mirror of a rule that no port of its hosts, and no gateway, applies to requests.

    Such a rule applies to port 80 of its hosts only, which their services do not have (see `foreign_hosts`).

    Nothing for a table at one section of a gateway, which only accepts routes that it can serve (Gateway API).
    """
    if table.section_name:
        return ()
    findings = (finding for route in table.routes for finding in _findings(view, table, route))
    return tuple(dict.fromkeys(findings))


def _findings(view: View, table: RouteTable, route: Route) -> Iterator[Finding]:
    mirrors = [mirror for mirror in route.mirrors if mirror.ref == table.ref]
    ports = _l4_ports(view, table, route) if mirrors else ""
    for mirror in mirrors if ports else ():
        message = f"{ports} not HTTP: the rule does not apply to requests sent there, and none is mirrored"
        fix = "declare the port as HTTP (name or appProtocol), or remove the mirror"
        yield Finding(table.ref, "MirrorNotHttp", message, mirror.destination.path, Severity.WARNING, fix)


def _l4_ports(view: View, table: RouteTable, route: Route) -> str:
    """Return the ports of all hosts where the rule would apply if they were HTTP; "" where any is, or may be."""
    ports: list[str] = []
    for gateway in route.match.gateways or table.gateways:
        if gateway != MESH and _may_be_http(view, gateway):
            return ""
        for host in table.hosts if gateway == MESH else ():
            of_host = _ports(view, table, route, host)
            if not of_host or not all(port.protocol.is_l4 for port in of_host):
                return ""
            ports += (f"port {port.number} ({port.protocol.value}) of {host}" for port in of_host)
    return f"{', '.join(ports)} {'are' if len(ports) > 1 else 'is'}" if ports else ""


def _ports(view: View, table: RouteTable, route: Route, host: str) -> tuple[Port, ...]:
    """Return the ports of a host that a rule is for. None of an unknown host, which is served as HTTP."""
    service = view.memo(find_service, Visibility(table.ref.namespace), host)
    numbers = {table.port, route.match.port} - {0}
    ports = service.ports if service is not None else ()
    return tuple(p for p in ports if p.protocol is not Protocol.UDP and (not numbers or p.number in numbers))


def _may_be_http(view: View, name: str) -> bool:
    """Tell whether a gateway has an HTTP server, or does not exist yet."""
    gateways = [g for obj in view.by("gateway.name", name) for g in view.lowered(obj.ref).gateways if g.name == name]
    return not gateways or any(server.protocol is ServerProtocol.HTTP for g in gateways for server in g.servers)


CHECK = Check(table=table)
