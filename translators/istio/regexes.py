"""The regexes of a VirtualService, and the limit on what they cost together."""

from collections.abc import Iterator

from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds.istio import virtual_service as istio
from mirrorplane.api.meta import Object
from mirrorplane.translators.patterns import budget_problems


def regex_findings(obj: Object[istio.VirtualService]) -> Iterator[Finding]:
    """Report the first rule whose regexes, with those of the rules before, cost too much. See decision 0141."""
    for i, problem in enumerate(budget_problems(map(regexes_of, obj.spec.http))):
        if problem:
            yield Finding(obj.ref, "LargeRegexes", problem, f"spec.http[{i}]")
            return


def regexes_of(rule: istio.HTTPRoute) -> Iterator[str]:
    """Yield every regex of a rule."""
    for text in _string_matches(rule):
        if text is not None and text.regex:
            yield text.regex
    if rule.rewrite is not None and rule.rewrite.uri_regex_rewrite is not None:
        yield rule.rewrite.uri_regex_rewrite.match


def _string_matches(rule: istio.HTTPRoute) -> Iterator[istio.StringMatch | None]:
    for match in rule.match:
        yield from (match.uri, match.scheme, match.method, match.authority)
        for fields in (match.headers, match.without_headers, match.query_params):
            yield from fields.values()
    if rule.cors_policy is not None:
        yield from rule.cors_policy.allow_origins
