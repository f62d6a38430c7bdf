"""Values that the API server accepts and Envoy would reject, such as a regex that is not RE2's.

The object is valid, so it is served, and has a status. Only the part with the value is not: a rule whose match has one
is dropped, as Gateway API says (PartiallyInvalid). One in a filter, a timeout or a retry fails the requests instead,
because a filter must not be skipped (decision 0084).
"""

from collections.abc import Iterable, Sequence

import msgspec

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.kinds.gateway_api.http_route import HTTPRouteRule
from mirrorplane.translators.gateway_api.conditions import UNSUPPORTED_VALUE
from mirrorplane.translators.gateway_api.route.rules import Rule


def refusals(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings for which an object is refused, with all others about it; nothing where it can be served."""
    findings = tuple(findings)
    if any(finding.severity is Severity.ERROR and finding.reason != UNSUPPORTED_VALUE for finding in findings):
        return findings
    return tuple(finding for finding in findings if finding.reason != UNSUPPORTED_VALUE)


def unsupported(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings about values that are not supported."""
    return tuple(finding for finding in findings if finding.reason == UNSUPPORTED_VALUE)


def servable(rule: Rule, findings: Sequence[Finding]) -> Rule | None:
    """Return a rule without its unsupported values; None where it has to be dropped."""
    places = {_place(rule, finding) for finding in findings if finding.path.startswith(f"{rule.path}.")}
    if not places:
        return rule
    if "matches" in places:
        return None
    failing = frozenset(place for place in places if isinstance(place, int))
    if len(failing) < len(places):
        return msgspec.structs.replace(rule, spec=HTTPRouteRule(name=rule.spec.name, matches=rule.spec.matches))
    backends = tuple(
        msgspec.structs.replace(backend, filters=()) if i in failing else backend
        for i, backend in enumerate(rule.spec.backend_refs)
    )
    spec = msgspec.structs.replace(rule.spec, backend_refs=backends)
    return msgspec.structs.replace(rule, spec=spec, failing_backends=failing)


def effect_of(rule: Rule, finding: Finding) -> str:
    """Return what becomes of requests because of an unsupported value in a rule."""
    place = _place(rule, finding)
    if place == "matches":
        return "the rule is dropped"
    share = "its share of requests is" if isinstance(place, int) else "requests are"
    return f"{share} answered {rule.failure}"


def _place(rule: Rule, finding: Finding) -> str | int:
    """Return the part of a rule that a finding is about: a field's name, or a backend's index."""
    field, _, index = finding.path.removeprefix(f"{rule.path}.").partition(".")[0].partition("[")
    return int(index.removesuffix("]")) if field == "backendRefs" else field
