"""What the API server rejects of HTTPRoutes and GRPCRoutes, in its words, and what Envoy would."""

from collections.abc import Iterator, Mapping, Sequence

from mirrorplane.api.finding import Finding
from mirrorplane.api.meta import Ref
from mirrorplane.translators.gateway_api.names import hostname_problem, section_problem
from mirrorplane.translators.gateway_api.route.backends import backend_findings
from mirrorplane.translators.gateway_api.route.filters import Filters, filter_findings, find_filter
from mirrorplane.translators.gateway_api.route.retries import retry_findings
from mirrorplane.translators.gateway_api.route.rules import Rule
from mirrorplane.translators.gateway_api.route.sessions import session_findings

# The CRD's rule allows 128, although its message says "less than 128".
_MOST_MATCHES = 128


def host_findings(about: Ref, hosts: Sequence[str]) -> Iterator[Finding]:
    """Report invalid hostnames."""
    for i, host in enumerate(hosts):
        if problem := hostname_problem(host):
            yield Finding(about, "InvalidHostname", problem, f"spec.hostnames[{i}]")


def rules_findings(about: Ref, rules: Sequence[Rule]) -> Iterator[Finding]:
    """Report what is invalid about all rules together, and about each."""
    if sum(len(rule.matches) for rule in rules) > _MOST_MATCHES:
        message = (
            "While 16 rules and 64 matches per rule are allowed, the total number of matches across all rules in a"
            " route must be less than 128"
        )
        yield Finding(about, "InvalidMatch", message, "spec.rules")
    names = [rule.spec.name for rule in rules]
    for rule in rules:
        if rule.spec.name and names.count(rule.spec.name) > 1:
            yield Finding(about, "InvalidName", "Rule name must be unique within the route", f"{rule.path}.name")
        if rule.spec.name and (problem := section_problem(rule.spec.name)):
            yield Finding(about, "InvalidName", problem, f"{rule.path}.name")
        yield from _rule_findings(rule)


def _rule_findings(rule: Rule) -> Iterator[Finding]:
    spec, about = rule.spec, rule.about
    yield from filter_findings(about, f"{rule.path}.filters", spec.filters)
    yield from _prefix_findings(rule, f"{rule.path}.filters", spec.filters)
    if spec.backend_refs and find_filter(spec.filters, "RequestRedirect") is not None:
        message = "RequestRedirect filter must not be used together with backendRefs"
        yield Finding(about, "InvalidFilter", message, f"{rule.path}.backendRefs")
    for i, backend in enumerate(spec.backend_refs):
        path = f"{rule.path}.backendRefs[{i}]"
        yield from backend_findings(about, path, backend)
        yield from filter_findings(about, f"{path}.filters", backend.filters)
        yield from _prefix_findings(rule, f"{path}.filters", backend.filters, _ON_BACKEND)
    yield from retry_findings(about, rule.path, spec)
    yield from session_findings(about, f"{rule.path}.sessionPersistence", spec.session_persistence)


_ON_RULE = {"RequestRedirect": "When", "URLRewrite": "When"}
_ON_BACKEND = {"RequestRedirect": "Within backendRefs, when", "URLRewrite": "Within backendRefs, When"}
"""How the API server's messages begin, by the type of a filter; their capitals are its own."""


def _prefix_findings(rule: Rule, path: str, filters: Filters, when: Mapping[str, str] = _ON_RULE) -> Iterator[Finding]:
    """Report replacePrefixMatch on a rule that does not match exactly one prefix."""
    for i, spec in enumerate(filters):
        location = spec.request_redirect or spec.url_rewrite
        kind = "RequestRedirect" if spec.request_redirect is not None else "URLRewrite"
        path_spec = location.path if location is not None else None
        replaces = path_spec is not None and path_spec.replace_prefix_match is not None
        if replaces and [match.path.type for match in rule.spec.matches] != ["PathPrefix"]:
            message = (
                f"{when[kind]} using {kind} filter with path.replacePrefixMatch, exactly one PathPrefix match must be"
                " specified"
            )
            yield Finding(rule.about, "InvalidFilter", message, f"{path}[{i}]")
