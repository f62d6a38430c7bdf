"""Does another object own the host? In the mesh one object speaks for a host; routes of a Service alone are merged."""

from collections.abc import Iterator

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.proxy import Visibility
from mirrorplane.api.routes import RouteTable
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Check
from mirrorplane.translators.lookups.services import MESH, tables_for_name


def table(view: View, said: RouteTable) -> tuple[Finding, ...]:
    """Return a warning for each host that another table is asked about first (Istio IST0109)."""
    return tuple(_taken(view, said)) if MESH in said.gateways else ()


def _taken(view: View, said: RouteTable) -> Iterator[Finding]:
    for i, host in enumerate(said.hosts):
        every = tables_for_name(view, Visibility(said.ref.namespace), host)
        first = next((each for each in every if not said.port or each.port in {0, said.port}), said)
        if first.ref != said.ref and not (said.port and first.port):
            yield _behind(said, first, host, i)


def _behind(said: RouteTable, first: RouteTable, host: str, number: int) -> Finding:
    where = f" for port {first.port}" if first.port else ""
    message = (
        f"{first.ref} names {host} too{where} and is asked first: what this one says of it, mirrors too, holds only"
        " for clients for which that one has no rule at all"
    )
    fix = "put the rules into one VirtualService, or make one the delegate of the other"
    if said.port or first.port:
        fix = "write the rules for a host in one of the two APIs"
    return Finding(said.ref, "HostTaken", message, said.path or f"spec.hosts[{number}]", Severity.WARNING, fix)


CHECK = Check(table=table)
