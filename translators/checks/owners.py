"""Does another object own the host? In the mesh one VirtualService speaks for a host; a second one is not merged."""

from collections.abc import Iterator

from api.finding import Finding, Severity
from api.proxy import Viewer
from api.routes import RouteTable
from api.view import View
from translators.contract import Check
from translators.visible import MESH, tables


def table(view: View, said: RouteTable) -> tuple[Finding, ...]:
    """Return a warning for each host that another table is asked about first (Istio IST0109)."""
    return tuple(_taken(view, said)) if MESH in said.gateways else ()


def _taken(view: View, said: RouteTable) -> Iterator[Finding]:
    for i, host in enumerate(said.hosts):
        first = tables(view, Viewer(said.ref.namespace), host)[:1]
        if first and first[0].ref != said.ref:
            message = (
                f"{first[0].ref} names {host} too and is asked first: what this one says of it, mirrors too, holds only"
                " for clients for which that one has no rule at all"
            )
            fix = "put the rules into one VirtualService, or make one the delegate of the other"
            yield Finding(said.ref, "HostTaken", message, f"spec.hosts[{i}]", Severity.WARNING, fix)


CHECK = Check(table=table)
