"""Gateway API's precedence: of all rules that match a request, the most specific one applies."""

from collections.abc import Iterable

import msgspec

from mirrorplane.api.kinds.gateway_api import GROUP
from mirrorplane.api.matches import Match, Op
from mirrorplane.api.proxy import ROUTER, Scope
from mirrorplane.api.routes import Route, RouteTable
from mirrorplane.api.view import View

_KINDS = {Op.EXACT: 0, Op.BELOW: 1, Op.PREFIX: 1, Op.REGEX: 2}
_METHOD = ":method"


Rank = tuple[int | str, ...]
"""The sort key of a rule among all for its host: specificity, the age of its object, its index there."""


class Ranked(msgspec.Struct, frozen=True):
    """A rule with its sort key among all rules for its host."""

    rank: Rank
    route: Route


def may_apply(view: View, scope: Scope) -> bool:
    """Tell whether rules of Gateway API may apply to proxies of a scope."""
    if scope.role == ROUTER:
        return any(ref.kind.startswith(f"{GROUP}/") for ref in scope.gateways)
    return bool(view.by("service_parent.routes", "*"))


def by_precision(tables: Iterable[RouteTable]) -> tuple[Ranked, ...]:
    """Return the rules of all tables, the most specific first.

    Gateway API: ties go to the oldest object, then by `namespace/name`, then by the order in the object.
    """
    ranked = [
        Ranked((*route.rank, *table_age(table), i), route) for table in tables for i, route in enumerate(table.routes)
    ]
    return tuple(sorted(ranked, key=lambda rule: rule.rank))


def table_age(table: RouteTable) -> tuple[str, str]:
    """Return a sort key, the oldest object first, then by `namespace/name` (Gateway API)."""
    return table.created, f"{table.ref.namespace}/{table.ref.name}"


def precision(match: Match) -> tuple[int, int, int, int, int]:
    """Return the rank of a match of an HTTPRoute.

    Gateway API: exact paths, then the longest prefix; a method, more headers, more query parameters. Regexes are last.
    """
    headers = sum(not field.name.startswith(":") for field in match.headers)
    method = any(field.name == _METHOD for field in match.headers)
    return _KINDS[match.path.op], -len(match.path.value), not method, -headers, -len(match.query)


def grpc_precision(service: str, method: str, headers: int, *, regex: bool) -> tuple[int, int, int, int, int]:
    """Return the rank of a match of a GRPCRoute.

    Gateway API: the most characters of the service, then of the method, then the most headers. Regexes are last.
    """
    return regex, -len(service), -len(method), -headers, 0
