"""The precedence of Order.PRECISE: of all rules that match a request, the most specific one applies (Gateway API)."""

from collections.abc import Iterable

import msgspec

from mirrorplane.api.proxy import ROUTER, Scope
from mirrorplane.api.routes import Order, Route, RouteTable
from mirrorplane.api.view import View

Rank = tuple[int | str, ...]
"""The sort key of a rule among all for its host: specificity, the age of its object, its index there."""


class Ranked(msgspec.Struct, frozen=True):
    """A rule with its sort key among all rules for its host."""

    rank: Rank
    route: Route


def may_apply(view: View, scope: Scope) -> bool:
    """Tell whether rules of Order.PRECISE may apply to proxies of a scope."""
    if scope.role == ROUTER:
        gateways = (gateway for ref in scope.gateways for gateway in view.lowered(ref).gateways)
        return any(gateway.order is Order.PRECISE for gateway in gateways)
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
