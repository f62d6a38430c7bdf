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
    """Return a warning for each mirror of a rule that gets no requests: no port of its hosts and no gateway is HTTP.

    In the mesh such a rule applies to port 80 of its hosts only, which their services do not have (`foreign_hosts`).

    Nothing for a table at one section of a gateway, which only accepts routes that it can serve (Gateway API).
    """
    if table.section_name:
        return ()
    findings = (finding for route in table.routes for finding in _findings(view, table, route))
    return tuple(dict.fromkeys(findings))


def _findings(view: View, table: RouteTable, route: Route) -> Iterator[Finding]:
    mirrors = [mirror for mirror in route.mirrors if mirror.ref == table.ref]
    reasons = _reasons(view, table, route) if mirrors else ()
    for mirror in mirrors if reasons else ():
        message = f"{', '.join(reasons)}: the rule does not apply to requests sent there, and none is mirrored"
        fix = "declare the port as HTTP (name, appProtocol or protocol), or remove the mirror"
        yield Finding(table.ref, "MirrorNotHttp", message, mirror.destination.path, Severity.WARNING, fix)


def _reasons(view: View, table: RouteTable, route: Route) -> tuple[str, ...]:
    """Return why a rule gets no requests, for each of its hosts and gateways; none where it gets some, or may."""
    reasons: list[str] = []
    for gateway in route.match.gateways or table.gateways:
        of_gateway = _mesh_reasons(view, table, route) if gateway == MESH else _gateway_reasons(view, gateway)
        if not of_gateway:
            return ()
        reasons += of_gateway
    return tuple(dict.fromkeys(reasons))


def _mesh_reasons(view: View, table: RouteTable, route: Route) -> list[str]:
    reasons: list[str] = []
    for host in table.hosts:
        ports = _ports(view, table, route, host)
        if not ports or not all(port.protocol.is_l4 for port in ports):
            return []
        reasons += (f"port {port.number} of {host} is {port.protocol.value.upper()}, not HTTP" for port in ports)
    return reasons


def _gateway_reasons(view: View, name: str) -> list[str]:
    """Return why no server of a gateway takes HTTP rules. A gateway that does not exist yet may."""
    gateways = [g for obj in view.by("gateway.name", name) for g in view.lowered(obj.ref).gateways if g.name == name]
    servers = [server for gateway in gateways for server in gateway.servers]
    if not gateways or any(server.protocol is ServerProtocol.HTTP for server in servers):
        return []
    return [f"no server of gateway {name} is HTTP"]


def _ports(view: View, table: RouteTable, route: Route, host: str) -> tuple[Port, ...]:
    """Return the ports of a host that a rule is for. None of an unknown host, which is served as HTTP."""
    service = view.memo(find_service, Visibility(table.ref.namespace), host)
    numbers = {table.port, route.match.port} - {0}
    ports = service.ports if service is not None else ()
    return tuple(p for p in ports if p.protocol is not Protocol.UDP and (not numbers or p.number in numbers))


CHECK = Check(table=table)
