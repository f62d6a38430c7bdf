"""The HTTP filters: those in a chain, in the order of their slots, and what each has to say about one route."""

from functools import cache

from mirrorplane.api.proxy import Scope
from mirrorplane.api.routes import Route
from mirrorplane.api.view import View
from mirrorplane.translators import envoy, filters
from mirrorplane.translators.contract import Filter, discover


def chain(view: View, scope: Scope) -> list[envoy.HttpFilter]:
    """Return the filters of a scope."""
    said = [(f, f.chain(view, scope)) for f in _filters()]
    return [
        envoy.HttpFilter(name=f.name, typed_config=envoy.packed(config), disabled=f.asleep)
        for f, config in said
        if config is not None
    ]


def apply(body: envoy.Route, said: Route) -> None:
    """Put what each filter has to say about a route on it."""
    for each in _filters():
        config = each.route(said)
        if config is not None:
            body.typed_per_filter_config[each.name].CopyFrom(envoy.packed(config))


@cache
def _filters() -> tuple[Filter, ...]:
    return tuple(sorted(discover(filters, "FILTER", Filter).values(), key=lambda f: f.slot))
