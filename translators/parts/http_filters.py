"""The HTTP filters of a chain, in the order of their slots, and their per-route configuration."""

from functools import cache

from mirrorplane.api.proxy import Scope
from mirrorplane.api.routes import Route
from mirrorplane.api.view import View
from mirrorplane.translators import envoy, filters
from mirrorplane.translators.contract import Filter, discover


def chain(view: View, scope: Scope) -> list[envoy.HttpFilter]:
    """Return the filters of a scope."""
    configs = [(entry, entry.chain(view, scope)) for entry in _filters()]
    return [
        envoy.HttpFilter(name=entry.name, typed_config=envoy.packed(config), disabled=entry.disabled_by_default)
        for entry, config in configs
        if config is not None
    ]


def apply(body: envoy.Route, route: Route) -> None:
    """Put each filter's configuration for a route on it. That also enables a filter that is disabled in the chain."""
    for entry in _filters():
        config = entry.route(route)
        if config is not None:
            body.typed_per_filter_config[entry.name].CopyFrom(envoy.packed(config))


@cache
def _filters() -> tuple[Filter, ...]:
    return tuple(sorted(discover(filters, "FILTER", Filter).values(), key=lambda entry: entry.slot))
