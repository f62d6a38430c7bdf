"""Preflights: what a route's CORS filter answers by itself."""

from http import HTTPStatus

from mirrorplane.api.tracing import HeaderEdit, Reply, Request
from mirrorplane.translators import envoy
from mirrorplane.translators.matching.fields import fits, header

_FILTER = "envoy.filters.http.cors"
_ALL = "*"


def preflight(route: envoy.Route, request: Request) -> Reply | None:
    """Return the answer to a preflight; None where the filter lets the request through.

    Envoy: one from an origin that is not allowed is answered too, where it is not to be passed on: with all but the
    origin. With credentials, `*` is what was asked for.
    """
    origin, asked = header(request, "origin"), header(request, "access-control-request-method")
    if _FILTER not in route.typed_per_filter_config or request.method != "OPTIONS" or not origin or not asked:
        return None
    said = envoy.CorsPolicy.FromString(route.typed_per_filter_config[_FILTER].value)
    allowed = any(fits(one, origin[0]) for one in said.allow_origin_string_match)
    passes = not said.HasField("forward_not_matching_preflights") or said.forward_not_matching_preflights.value
    if not allowed and passes:
        return None
    wanted = ",".join(header(request, "access-control-request-headers"))
    told = {
        "origin": origin[0] if allowed else "",
        "credentials": "true" if said.allow_credentials.value else "",
        "methods": _told(said, said.allow_methods, asked[0]),
        "headers": _told(said, said.allow_headers, wanted),
    }
    edit = HeaderEdit(set=tuple((f"access-control-allow-{name}", value) for name, value in told.items() if value))
    return Reply(HTTPStatus.OK.value, response_edits=(edit,))


def _told(said: envoy.CorsPolicy, listed: str, wanted: str) -> str:
    return wanted if listed == _ALL and said.allow_credentials.value else listed
