"""Findings about a rule that is served: references that cannot be resolved, filters that cannot be applied."""

from collections.abc import Iterator

from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds.gateway_api import http_route as gw
from mirrorplane.api.view import View
from mirrorplane.translators.gateway_api.route.backends import backend_problem
from mirrorplane.translators.gateway_api.route.filters import find_filter
from mirrorplane.translators.gateway_api.route.mirrors import mirror_filters, mirror_findings
from mirrorplane.translators.gateway_api.route.rules import Rule, filter_problems, unsupported_filters
from mirrorplane.translators.gateway_api.route.sessions import session_warnings


def rule_findings(view: View, rule: Rule) -> Iterator[Finding]:
    """Report backends and mirrors that cannot be used, and filters and matches that cannot be applied."""
    for i, problem in filter_problems(view, rule):
        message = f"{problem.message}; a filter must not be skipped, so requests are answered {rule.failure}"
        path = f"{rule.path}.filters[{i}].{problem.field}"
        yield Finding(rule.about, problem.reason, message, path, fix=problem.fix)
    for i, match in enumerate(rule.spec.matches):
        # Envoy matches CONNECT by `connect_matcher` alone: the request has no path.
        if match.method == "CONNECT":
            message = "method CONNECT is not supported; this match never applies"
            yield Finding(rule.about, "UnsupportedValue", message, f"{rule.path}.matches[{i}].method")
    redirected = find_filter(rule.spec.filters, "RequestRedirect") is not None
    mirrors = mirror_filters(rule.spec.filters, rule.referrer("filters"))
    yield from mirror_findings(view, mirrors, redirected=redirected)
    for i, backend in enumerate(rule.spec.backend_refs):
        yield from _backend_findings(view, rule, i, backend)
    weighted = sum(1 for backend in rule.spec.backend_refs if backend.weight)
    path = f"{rule.path}.sessionPersistence"
    yield from session_warnings(rule.about, path, rule.spec.session_persistence, weighted)


def _backend_findings(view: View, rule: Rule, i: int, backend: gw.HTTPBackendRef) -> Iterator[Finding]:
    referrer = rule.referrer(f"backendRefs[{i}]")
    if problem := backend_problem(view, referrer, backend):
        message = f"{problem.message}; its share of requests is answered {rule.failure}"
        yield Finding(rule.about, problem.reason, message, f"{referrer.path}.{problem.field}", fix=problem.fix)
    for j, kind in unsupported_filters(backend):
        message = (
            f"{kind} is not supported on a single backend; a filter must not be skipped, so its share of requests is"
            f" answered {rule.failure}"
        )
        fix = "move it to the filters of the rule"
        yield Finding(rule.about, "UnsupportedValue", message, f"{referrer.path}.filters[{j}]", fix=fix)
    redirected = find_filter(backend.filters, "RequestRedirect") is not None
    mirrors = mirror_filters(backend.filters, rule.referrer(f"backendRefs[{i}].filters"))
    yield from mirror_findings(view, mirrors, redirected=redirected)
