"""Does another object own the host? In the mesh one object owns a host; only routes of a Service are merged."""

from collections.abc import Iterator

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.hosts import exported
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
        for namespace in _client_namespaces(table):
            owner = _owner(view, table, host, namespace)
            if owner.ref != table.ref and not (table.port and owner.port):
                yield _owned(table, owner, f"{host} too{_in_part(owner, table, namespace)}", i)
                break


def _client_namespaces(table: RouteTable) -> list[str]:
    """Return the namespaces whose clients see the table, as far as it names them: first its own, if that sees it."""
    own, namespaces = table.ref.namespace, set(table.export_to) - {"*", ".", "~"}
    seen_from_own = exported(table.export_to, own, own)
    return [*([own] if seen_from_own else []), *sorted(namespaces - {own})]


def _owner(view: View, table: RouteTable, host: str, namespace: str) -> RouteTable:
    """Return the table that wins a host for clients of a namespace, on the port that the table is for."""
    tables: tuple[RouteTable, ...] = view.memo(tables_for_name, Visibility(namespace), host)
    return next((candidate for candidate in tables if not table.port or candidate.port in {0, table.port}), table)


def _in_part(owner: RouteTable, table: RouteTable, namespace: str) -> str:
    """Return where the other table wins, if not everywhere."""
    port = f" for port {owner.port}" if owner.port else ""
    return port if namespace == table.ref.namespace else f"{port} for clients of namespace {namespace}"


def _owned(table: RouteTable, owner: RouteTable, place: str, i: int) -> Finding:
    message = (
        f"{owner.ref} has {place} and takes precedence; these rules and their mirrors apply only to clients"
        " for which it has no rule"
    )
    fix = "put the rules into one VirtualService, or make one the delegate of the other"
    if table.port or owner.port:
        fix = "write the rules for a host in one of the two APIs"
    return Finding(table.ref, "HostTaken", message, table.path or f"spec.hosts[{i}]", Severity.WARNING, fix)


CHECK = Check(table=table)
