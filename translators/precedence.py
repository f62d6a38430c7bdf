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
    found = [route for table in sorted(tables, key=age) for route in table.routes]
    return tuple(sorted(found, key=lambda route: precision(route.match)))


def age(table: RouteTable) -> tuple[str, str]:
    """Return a sort key, the oldest object first, then by `namespace/name` (Gateway API)."""
    return table.created, f"{table.ref.namespace}/{table.ref.name}"


def precision(match: Match) -> tuple[int, int, bool, int, int]:
    """Return a sort key, the most precise first.

    Gateway API: exact paths, then the longest prefix; a method, more headers, more query parameters. Regexes are last.
    """
    headers = sum(not field.name.startswith(":") for field in match.headers)
    method = any(field.name == _METHOD for field in match.headers)
    return _KINDS[match.path.op], -len(match.path.value), not method, -headers, -len(match.query)
