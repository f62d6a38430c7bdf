"""Check that the gateways that rules name exist, and serve the hosts of the rules."""

from collections.abc import Iterator

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.gateways import Gateway, narrower
from mirrorplane.api.routes import RouteTable
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Check
from mirrorplane.translators.lookups.services import MESH


def table(view: View, table: RouteTable) -> tuple[Finding, ...]:
    """Return an error for each missing gateway (Istio IST0101), a warning for each host that a gateway does not serve.

    Nothing for a table at one section of a gateway: it was made for that section and its hosts (Gateway API).
    """
    if table.section_name:
        return ()
    return tuple(finding for name in table.gateways if name != MESH for finding in _findings(view, table, name))


def _findings(view: View, table: RouteTable, name: str) -> Iterator[Finding]:
    gateway = next((g for obj in view.by("gateway.name", name) for g in view.lowered(obj.ref).gateways), None)
    if gateway is None:
        message = f"gateway {name} not found; the rules do not apply there"
        yield Finding(table.ref, "GatewayNotFound", message, "spec.gateways", fix="correct the name, or create it")
        return
    for i, host in enumerate(table.hosts):
        if not _serves(gateway, table, host):
            message = f"no server of gateway {name} has a host that matches {host} for namespace {table.ref.namespace}"
            fix = "add it to the hosts of a server"
            yield Finding(table.ref, "HostNotAtGateway", message, f"spec.hosts[{i}]", Severity.WARNING, fix)


def _serves(gateway: Gateway, table: RouteTable, host: str) -> bool:
    served_hosts = (served for server in gateway.servers for served in server.hosts)
    return any(served.admits(table.ref.namespace) and narrower(served.host, host) for served in served_hosts)


CHECK = Check(table=table)
