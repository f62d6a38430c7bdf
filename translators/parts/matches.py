"""Match -> RouteMatch."""

from mirrorplane.api.matches import FieldMatch, Match, Op
from mirrorplane.api.units import MILLION
from mirrorplane.translators import envoy


def route_match(match: Match) -> envoy.RouteMatch:
    """Return Envoy's form of a match. A path regex is compared with the whole path, without the query."""
    path, body = match.path, envoy.RouteMatch()
    if path.op is Op.EXACT:
        body.path = path.value
    elif path.op is Op.REGEX:
        body.safe_regex.CopyFrom(envoy.RegexMatcher(regex=path.value))
    elif path.op is Op.BELOW and path.value.rstrip("/"):
        # Whole path segments: Envoy rejects a separated prefix that ends in "/", and "/" alone means any path.
        body.path_separated_prefix = path.value.rstrip("/")
    else:
        body.prefix = path.value
    if match.ignore_case:
        body.case_sensitive.CopyFrom(envoy.BoolValue(value=False))
    if match.fraction < MILLION:
        body.runtime_fraction.default_value.CopyFrom(envoy.share(match.fraction))
    body.headers.extend(_header(header) for header in match.headers)
    body.query_parameters.extend(_query(parameter) for parameter in match.query)
    return body


def _header(field: FieldMatch) -> envoy.HeaderMatcher:
    if field.match.op is Op.PRESENT:
        return envoy.HeaderMatcher(name=field.name, present_match=True, invert_match=field.invert)
    return envoy.HeaderMatcher(
        name=field.name,
        string_match=envoy.string_matcher(field.match),
        invert_match=field.invert,
        # Without this, Envoy's inverted match fails when the header is missing (Istio: withoutHeaders).
        treat_missing_header_as_empty=field.invert,
    )


def _query(field: FieldMatch) -> envoy.QueryParameterMatcher:
    if field.match.op is Op.PRESENT:
        return envoy.QueryParameterMatcher(name=field.name, present_match=True)
    return envoy.QueryParameterMatcher(name=field.name, string_match=envoy.string_matcher(field.match))
