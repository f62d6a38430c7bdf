"""What the API server refuses of routes that send HTTP or gRPC requests on, and what Envoy would."""

from collections.abc import Iterator, Mapping, Sequence

from mirrorplane.api.finding import Finding
from mirrorplane.api.meta import Ref
from mirrorplane.translators.gateway_api.names import hostname_problem, section_problem
from mirrorplane.translators.gateway_api.route.backends import backend_findings
from mirrorplane.translators.gateway_api.route.filters import Filters, filter_findings, only
from mirrorplane.translators.gateway_api.route.retries import retry_findings
from mirrorplane.translators.gateway_api.route.rules import Rule
from mirrorplane.translators.gateway_api.route.sessions import session_findings

_MOST_MATCHES = 128


def host_findings(about: Ref, hosts: Sequence[str]) -> Iterator[Finding]:
    """Refuse what is no hostname."""
    for i, host in enumerate(hosts):
        if problem := hostname_problem(host):
            yield Finding(about, "InvalidHostname", problem, f"spec.hostnames[{i}]")


def rules_findings(about: Ref, rules: Sequence[Rule]) -> Iterator[Finding]:
    """Refuse what is wrong with all rules together, and with each."""
    if sum(len(rule.asked) for rule in rules) > _MOST_MATCHES:
        message = (
            "While 16 rules and 64 matches per rule are allowed, the total number of matches across all rules in a"
            " route must be less than 128"
        )
        yield Finding(about, "InvalidMatch", message, "spec.rules")
    names = [rule.said.name for rule in rules]
    for rule in rules:
        if rule.said.name and names.count(rule.said.name) > 1:
            yield Finding(about, "InvalidName", "Rule name must be unique within the route", f"{rule.path}.name")
        if rule.said.name and (problem := section_problem(rule.said.name)):
            yield Finding(about, "InvalidName", problem, f"{rule.path}.name")
        yield from _rule_findings(rule)


def _rule_findings(rule: Rule) -> Iterator[Finding]:
    said, about = rule.said, rule.about
    yield from filter_findings(about, f"{rule.path}.filters", said.filters)
    yield from _prefix_findings(rule, f"{rule.path}.filters", said.filters)
    if said.backend_refs and only(said.filters, "RequestRedirect") is not None:
        message = "RequestRedirect filter must not be used together with backendRefs"
        yield Finding(about, "InvalidFilter", message, f"{rule.path}.backendRefs")
    for i, to in enumerate(said.backend_refs):
        path = f"{rule.path}.backendRefs[{i}]"
        yield from backend_findings(about, path, to)
        yield from filter_findings(about, f"{path}.filters", to.filters)
        yield from _prefix_findings(rule, f"{path}.filters", to.filters, _AT_BACKEND)
    yield from retry_findings(about, rule.path, said)
    yield from session_findings(about, f"{rule.path}.sessionPersistence", said.session_persistence)


_EVERYWHERE = {"RequestRedirect": "When", "URLRewrite": "When"}
_AT_BACKEND = {"RequestRedirect": "Within backendRefs, when", "URLRewrite": "Within backendRefs, When"}
"""How the API server's messages begin, by the type of a filter."""


def _prefix_findings(
    rule: Rule, path: str, filters: Filters, when: Mapping[str, str] = _EVERYWHERE
) -> Iterator[Finding]:
    """Refuse to replace a prefix where not exactly one is matched."""
    for i, one in enumerate(filters):
        said = one.request_redirect or one.url_rewrite
        kind = "RequestRedirect" if one.request_redirect is not None else "URLRewrite"
        replaces = said is not None and said.path is not None and said.path.replace_prefix_match is not None
        if replaces and [match.path.type for match in rule.said.matches] != ["PathPrefix"]:
            message = (
                f"{when[kind]} using {kind} filter with path.replacePrefixMatch, exactly one PathPrefix match must be"
                " specified"
            )
            yield Finding(rule.about, "InvalidFilter", message, f"{path}[{i}]")
