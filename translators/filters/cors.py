"""CORS: always in the chain (Istio), without effect until a route has a policy."""

from mirrorplane.api.actions import UnmatchedPreflights
from mirrorplane.api.proxy import Scope
from mirrorplane.api.routes import Route
from mirrorplane.api.view import View
from mirrorplane.translators import envoy
from mirrorplane.translators.contract import Filter, Slot


def chain(_: View, __: Scope) -> envoy.Cors:
    """Return the filter's configuration in the chain."""
    return envoy.Cors()


def route(route: Route) -> envoy.CorsPolicy | None:
    """Return the policy of a route; None where it has none."""
    cors = route.cors
    if cors is None:
        return None
    body = envoy.CorsPolicy(
        allow_origin_string_match=[envoy.string_matcher(origin) for origin in cors.origins],
        allow_methods=",".join(cors.methods),
        allow_headers=",".join(cors.headers),
        expose_headers=",".join(cors.expose),
        max_age=str(cors.max_age_s) if cors.max_age_s >= 0 else "",
        forward_not_matching_preflights=envoy.BoolValue(value=cors.unmatched_preflights is UnmatchedPreflights.FORWARD),
    )
    if cors.credentials is not None:
        body.allow_credentials.value = cors.credentials
    body.filter_enabled.default_value.numerator = 100  # percent; the filter ignores a policy that is not enabled
    return body


FILTER = Filter(slot=Slot.CORS, name="envoy.filters.http.cors", chain=chain, route=route)
