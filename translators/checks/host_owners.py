"""Does another object own the host? In the mesh one object owns a host; only routes of a Service are merged."""

from collections.abc import Iterator

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.proxy import Visibility
from mirrorplane.api.routes import RouteTable
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Check
from mirrorplane.translators.lookups.services import MESH, tables_for_name


def table(view: View, table: RouteTable) -> tuple[Finding, ...]:
    """Return a warning for each host that another table owns (Istio IST0109)."""
    return tuple(_findings(view, table)) if MESH in table.gateways else ()


def _findings(view: View, table: RouteTable) -> Iterator[Finding]:
    for i, host in enumerate(table.hosts):
        tables = tables_for_name(view, Visibility(table.ref.namespace), host)
        owner = next((candidate for candidate in tables if not table.port or candidate.port in {0, table.port}), table)
        if owner.ref != table.ref and not (table.port and owner.port):
            yield _owned(table, owner, host, i)


def _owned(table: RouteTable, owner: RouteTable, host: str, i: int) -> Finding:
    port = f" for port {owner.port}" if owner.port else ""
    message = (
        f"{owner.ref} has {host} too{port} and takes precedence; these rules and their mirrors apply only to clients"
        " for which it has no rule"
    )
    fix = "put the rules into one VirtualService, or make one the delegate of the other"
    if table.port or owner.port:
        fix = "write the rules for a host in one of the two APIs"
    return Finding(table.ref, "HostTaken", message, table.path or f"spec.hosts[{i}]", Severity.WARNING, fix)


CHECK = Check(table=table)
