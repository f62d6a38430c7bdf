"""Do the destinations and mirrors of routes exist? Envoy says nothing about a mirror that does not."""

from collections.abc import Iterator

from api.finding import Finding, Severity
from api.mesh import Destination, RouteTable
from api.view import View
from translators.contract import Check
from translators.lookups import missing, target_port

_REASONS = {"host": "HostNotFound", "port.number": "PortNotFound", "subset": "SubsetNotFound"}


def table(view: View, said: RouteTable) -> tuple[Finding, ...]:
    """Return a finding for each destination or mirror that is missing, seen from the table's own namespace."""
    found = [f for route in said.routes for d in route.destinations for f in _missing(view, said, d, mirror=False)]
    found += [
        f for route in said.routes for m in route.mirrors for f in _missing(view, said, m.destination, mirror=True)
    ]
    return tuple(dict.fromkeys(found))


def _missing(view: View, said: RouteTable, to: Destination, *, mirror: bool) -> Iterator[Finding]:
    problem = missing(view, said.ref.namespace, to, target_port(view, said.ref.namespace, to, to.port))
    if problem is None:
        return
    field, sentence = problem
    effect = "nothing is copied; the route itself is not affected" if mirror else "requests sent there get 503"
    yield Finding(
        about=said.ref,
        reason=("Mirror" if mirror else "") + _REASONS[field],
        message=f"{sentence}: {effect}",
        path=f"{to.path}.{field}",
        severity=Severity.ERROR,
        fix=_fix(field, to),
    )


def _fix(field: str, to: Destination) -> str:
    if field == "host":
        return "correct the host, or create the Service"
    if field == "subset":
        return f"add the subset {to.subset} to a DestinationRule for {to.host}"
    return "name one of the service's ports"


CHECK = Check(table=table)
