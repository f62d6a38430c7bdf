"""What is told of a rule that holds: backends and mirrors that there are not, filters that cannot be done."""

from collections.abc import Iterator

from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds.gateway_api import http_route as gw
from mirrorplane.api.view import View
from mirrorplane.translators.gateway_api.route.backends import problem
from mirrorplane.translators.gateway_api.route.filters import only
from mirrorplane.translators.gateway_api.route.mirrors import copy_findings, mirrors_in
from mirrorplane.translators.gateway_api.route.rules import Rule, unresolved, unserved_at
from mirrorplane.translators.gateway_api.route.sessions import session_remarks


def rule_findings(view: View, rule: Rule) -> Iterator[Finding]:
    """Say which backends and mirrors there are not, and which filters cannot be done."""
    for i, reason, field, sentence in unresolved(view, rule):
        message = f"{sentence}, and no filter may be left out: requests are answered {rule.failure}"
        yield Finding(rule.about, reason, message, f"{rule.path}.filters[{i}].{field}")
    for i, match in enumerate(rule.said.matches):
        if match.method == "CONNECT":
            message = "CONNECT is not served at Gateways: no request matches this"
            yield Finding(rule.about, "UnsupportedValue", message, f"{rule.path}.matches[{i}].method")
    redirected = only(rule.said.filters, "RequestRedirect") is not None
    yield from copy_findings(view, mirrors_in(rule.said.filters, rule.use("filters")), redirected=redirected)
    for i, to in enumerate(rule.said.backend_refs):
        yield from _backend_findings(view, rule, i, to)
    weighed = sum(1 for to in rule.said.backend_refs if to.weight)
    where = f"{rule.path}.sessionPersistence"
    yield from session_remarks(rule.about, where, rule.said.session_persistence, weighed)


def _backend_findings(view: View, rule: Rule, i: int, to: gw.HTTPBackendRef) -> Iterator[Finding]:
    use = rule.use(f"backendRefs[{i}]")
    reason, field, sentence = problem(view, use, to)
    if reason:
        message = f"{sentence}: its share of the requests is answered {rule.failure}"
        yield Finding(rule.about, reason, message, f"{use.path}.{field}")
    for j, what in unserved_at(to):
        message = (
            f"{what} is not served for one backend, and no filter may be left out: requests that would go there are"
            f" answered {rule.failure}"
        )
        fix = "put it into the filters of the rule"
        yield Finding(rule.about, "UnsupportedValue", message, f"{use.path}.filters[{j}]", fix=fix)
    redirected = only(to.filters, "RequestRedirect") is not None
    own = mirrors_in(to.filters, rule.use(f"backendRefs[{i}].filters"))
    yield from copy_findings(view, own, redirected=redirected)
