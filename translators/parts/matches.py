"""Match -> RouteMatch."""

from mirrorplane.api.matches import FieldMatch, Match, Op, StringMatch
from mirrorplane.api.units import MILLION
from mirrorplane.translators import envoy


def route_match(match: Match) -> envoy.RouteMatch:
    """Return Envoy's form of a match; a path regex is matched against the whole path, without the query."""
    path, said = match.path, envoy.RouteMatch()
    if path.op is Op.EXACT:
        said.path = path.value
    elif path.op is Op.REGEX:
        said.safe_regex.CopyFrom(envoy.RegexMatcher(regex=path.value))
    elif path.op is Op.BELOW and path.value.rstrip("/"):
        said.path_separated_prefix = path.value.rstrip("/")
    else:
        said.prefix = path.value
    if match.ignore_case:
        said.case_sensitive.CopyFrom(envoy.BoolValue(value=False))
    if match.fraction < MILLION:
        said.runtime_fraction.default_value.CopyFrom(envoy.share(match.fraction))
    said.headers.extend(_header(h) for h in match.headers)
    said.query_parameters.extend(_query(q) for q in match.query)
    return said


def _header(field: FieldMatch) -> envoy.HeaderMatcher:
    if field.match.op is Op.PRESENT:
        return envoy.HeaderMatcher(name=field.name, present_match=True, invert_match=field.invert)
    return envoy.HeaderMatcher(
        name=field.name,
        string_match=string_matcher(field.match),
        invert_match=field.invert,
        treat_missing_header_as_empty=field.invert,
    )


def _query(field: FieldMatch) -> envoy.QueryParameterMatcher:
    if field.match.op is Op.PRESENT:
        return envoy.QueryParameterMatcher(name=field.name, present_match=True)
    return envoy.QueryParameterMatcher(name=field.name, string_match=string_matcher(field.match))


def string_matcher(match: StringMatch) -> envoy.StringMatcher:
    """Return Envoy's form of a comparison."""
    if match.op is Op.REGEX:
        return envoy.StringMatcher(safe_regex=envoy.RegexMatcher(regex=match.value))
    return envoy.StringMatcher(**{match.op.value: match.value})
