"""Gateway API's order of rules: of all that match a request, the one that asks for it most precisely is taken."""

from collections.abc import Iterable

from api.matches import Match, Op
from api.routes import Route, RouteTable

_KINDS = {Op.EXACT: 0, Op.BELOW: 1, Op.PREFIX: 1, Op.REGEX: 2}
_METHOD = ":method"


def precisest(tables: Iterable[RouteTable]) -> tuple[Route, ...]:
    """Return the rules of all tables, the most precise first.

    Gateway API: of equal ones the oldest object's, then by `namespace/name`, then as written.
    """
    oldest = sorted(tables, key=lambda table: (table.created, f"{table.ref.namespace}/{table.ref.name}"))
    found = [route for table in oldest for route in table.routes]
    return tuple(sorted(found, key=lambda route: route.rank))


def precision(match: Match) -> tuple[int, ...]:
    """Return the rank of a match of an HTTPRoute.

    Gateway API: exact paths, then the longest prefix; a method, more headers, more query parameters. Regexes are last.
    """
    headers = sum(not field.name.startswith(":") for field in match.headers)
    method = any(field.name == _METHOD for field in match.headers)
    return _KINDS[match.path.op], -len(match.path.value), not method, -headers, -len(match.query)


def precision_of_call(service: str, method: str, headers: int) -> tuple[int, ...]:
    """Return the rank of a match of a GRPCRoute.

    Gateway API: the most characters of the service, then of the method, then the most headers.
    """
    return -len(service), -len(method), -headers
