"""Does a rule copy the requests of another namespace's service? Istio lets any namespace write rules for any host.

Only in the mesh: at a gateway the namespace that owns the gateway decides which others may serve its hosts.
"""

from collections.abc import Iterator

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.mirrors import Mirror
from mirrorplane.api.proxy import Visibility
from mirrorplane.api.routes import RouteTable
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Check
from mirrorplane.translators.lookups.aliases import find_alias
from mirrorplane.translators.lookups.services import MESH, covered_hosts, find_service
from mirrorplane.translators.settings import mesh

_PRIVATE = frozenset({"."})


def table(view: View, table: RouteTable) -> tuple[Finding, ...]:
    """Return a warning for each mirror of requests to services of other namespaces.

    Nothing for rules that only clients of the table's own namespace see: those could send copies themselves. Nothing
    for rules of the root namespace, whose owners administer the mesh, and for delegates: the owner of the host names
    them.
    """
    namespace = table.ref.namespace
    if _is_private(table) or namespace == view.memo(mesh).root_namespace:
        return ()
    mirrors = dict.fromkeys(
        mirror for route in table.routes if MESH in (route.match.gateways or table.gateways) for mirror in route.mirrors
    )
    findings = (finding for mirror in mirrors for finding in _findings(view, table, mirror))
    return tuple(dict.fromkeys(findings)) if mirrors else ()


def _is_private(table: RouteTable) -> bool:
    return set(table.export_to) <= _PRIVATE | {table.ref.namespace}


def _findings(view: View, table: RouteTable, mirror: Mirror) -> Iterator[Finding]:
    namespace = table.ref.namespace
    for host, owner in _hosts_of_others(view, table):
        target = mirror.destination.host
        message = (
            f"namespace {namespace} copies requests for {host} of namespace {owner} to {target}, also those of clients"
            " in other namespaces"
        )
        fix = f"move the mirror into a rule of namespace {owner}, or set exportTo to ['.']"
        # Of a mirror that a delegate has, the table's own object attaches it to the host.
        path = mirror.destination.path if mirror.ref == table.ref else "spec.hosts"
        yield Finding(table.ref, "CrossNamespaceMirror", message, path, Severity.WARNING, fix)


def _hosts_of_others(view: View, table: RouteTable) -> Iterator[tuple[str, str]]:
    """Yield each host of a table that is another namespace's service, and that namespace; the first for a wildcard."""
    visibility = Visibility(table.ref.namespace)
    for host in table.hosts:
        names = covered_hosts(view, visibility, host) if host.startswith("*") else (host,)
        owners = (_owner(view, visibility, name) for name in names)
        owner = next((owner for owner in owners if owner not in {"", table.ref.namespace}), "")
        if owner:
            yield host, owner


def _owner(view: View, visibility: Visibility, host: str) -> str:
    """Return the namespace of the service or alias with a host, or ""."""
    service = view.memo(find_service, visibility, host)
    declared = find_alias(view, host) if service is None else service
    return declared.ref.namespace if declared is not None else ""


CHECK = Check(table=table)
