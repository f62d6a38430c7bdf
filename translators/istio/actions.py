"""What an HTTP rule does besides forwarding: rewrite, redirect, direct response. Which of them exclude each other."""

import re
from collections.abc import Iterator

from mirrorplane.api.actions import Answer, Redirect, Rewrite
from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.kinds.istio import virtual_service as istio
from mirrorplane.api.meta import Ref
from mirrorplane.api.units import PORTS
from mirrorplane.translators.formats import text_problem
from mirrorplane.translators.istio.headers import host_of
from mirrorplane.translators.patterns import may_lose_slash, regex_groups, regex_problem

# All that Envoy can send. Istio's validation accepts every 3xx, but its translation leaves others without an action.
_CODES = (301, 302, 303, 307, 308)
_SCHEMES = ("http", "https")
_DERIVED = ("", "FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT")
_STATUSES = range(200, 600)
_LARGEST_BODY, _LARGE_BODY = 1 << 20, 100 << 10
"""Bytes: what our route configurations allow, and from where we warn, since every proxy holds the body."""
_EXCLUSIVE = (
    ("redirect", "fault"),
    ("redirect", "rewrite"),
    ("directResponse", "redirect"),
    ("directResponse", "fault"),
    ("directResponse", "rewrite"),
)
_GROUP = re.compile(r"\\(.?)")


def rewrite_of(rule: istio.HTTPRoute) -> Rewrite:
    """Return the rewrite of a rule; the authority of `rewrite` wins over a Host in `headers` (Istio)."""
    spec = rule.rewrite or istio.Rewrite()
    regex = spec.uri_regex_rewrite or istio.RegexRewrite()
    return Rewrite(spec.uri, regex.match, regex.rewrite, spec.authority or host_of(rule.headers))


def redirect_of(spec: istio.Redirect) -> Redirect:
    """Return the redirect."""
    return Redirect(
        code=spec.redirect_code or _CODES[0],
        host=spec.authority,
        path=spec.uri,
        prefix=spec.prefix_rewrite,
        scheme=spec.scheme,
        port=spec.port,
        request_port=spec.derive_port == "FROM_REQUEST_PORT",
    )


def answer_of(spec: istio.DirectResponse) -> Answer:
    """Return the direct response."""
    return Answer(spec.status, spec.body.data or (spec.body.string or "").encode())


def action_findings(about: Ref, path: str, rule: istio.HTTPRoute) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses of a rule without delegate."""
    if not (rule.route or rule.redirect or rule.direct_response):
        message = "HTTP route, redirect or direct_response is required"
        yield Finding(about, "NoRoute", message, path, fix="add route with at least one destination")
    yield from _exclusion_findings(about, path, rule)
    if rule.redirect is not None:
        yield from _redirect_findings(about, f"{path}.redirect", rule.redirect)
        yield from _prefix_findings(about, f"{path}.redirect.prefixRewrite", rule.redirect, rule)
    if rule.direct_response is not None:
        yield from _answer_findings(about, f"{path}.directResponse", rule.direct_response)


def _exclusion_findings(about: Ref, path: str, rule: istio.HTTPRoute) -> Iterator[Finding]:
    replies = {"redirect": rule.redirect, "directResponse": rule.direct_response}
    for field, value in replies.items():
        if value is not None and rule.route:
            yield Finding(about, "InvalidRule", f"HTTP route cannot contain both route and {field}", f"{path}.{field}")
        if value is not None and (rule.mirror or rule.mirrors):
            mirror = f"{path}.mirror" if rule.mirror else f"{path}.mirrors"
            message = f"{field} is answered by the proxy itself, so nothing is mirrored"
            fix = "move the mirror to a rule with route"
            yield Finding(about, "MirrorUnused", message, mirror, Severity.WARNING, fix)
    excluded = {"redirect": rule.redirect, "fault": rule.fault, "rewrite": rule.rewrite}
    for reply, field in _EXCLUSIVE:
        if replies[reply] is not None and excluded[field] is not None:
            message = f"HTTP route cannot contain both {field} and {reply}"
            yield Finding(about, "InvalidRule", message, f"{path}.{field}")


def rewrite_findings(about: Ref, path: str, rule: istio.HTTPRoute) -> Iterator[Finding]:
    """Refuse what Istio's validation and Envoy refuse."""
    if rule.rewrite is None:
        return
    spec, regex = rule.rewrite, rule.rewrite.uri_regex_rewrite
    if not (spec.uri or spec.authority or regex):
        yield Finding(about, "InvalidRewrite", "rewrite must specify uri, uriRegexRewrite or authority", path)
    if spec.uri and regex:
        yield Finding(about, "InvalidRewrite", "rewrite may only contain one of uri and uriRegexRewrite", path)
    if spec.authority and host_of(rule.headers):
        message = "authority header cannot be set multiple times: both rewrite.authority and headers set it"
        yield Finding(about, "InvalidRewrite", message, f"{path}.authority")
    for field, text in (("uri", spec.uri), ("authority", spec.authority)):
        if problem := text_problem(text):
            yield Finding(about, "InvalidRewrite", problem, f"{path}.{field}")
    if regex is not None:
        yield from _regex_findings(about, f"{path}.uriRegexRewrite", regex)


def _regex_findings(about: Ref, path: str, spec: istio.RegexRewrite) -> Iterator[Finding]:
    if not spec.rewrite:
        yield Finding(about, "InvalidRewrite", "uriRegexRewrite needs both match and rewrite", f"{path}.rewrite")
    if problem := regex_problem(spec.match):
        yield Finding(about, "InvalidRewrite", problem, f"{path}.match")
        return
    if problem := text_problem(spec.rewrite) or _group_problem(spec):
        yield Finding(about, "InvalidRewrite", problem, f"{path}.rewrite")
    elif spec.rewrite and may_lose_slash(spec.match, spec.rewrite):
        message = "the rewritten path may lose its leading slash, and servers refuse such a path"
        fix = "start rewrite with /, or exclude the leading slash from match"
        yield Finding(about, "PathWithoutSlash", message, f"{path}.rewrite", Severity.WARNING, fix)


def _group_problem(spec: istio.RegexRewrite) -> str:
    groups = regex_groups(spec.match)
    escapes = _GROUP.findall(spec.rewrite)
    valid_escapes = {"\\", *map(str, range(groups + 1))}
    unknown = [escape for escape in escapes if escape not in valid_escapes]
    if not unknown:
        return ""
    return f"\\{unknown[0]} refers to no group of match, which has {groups}; write \\\\ for a backslash"


def _redirect_findings(about: Ref, path: str, spec: istio.Redirect) -> Iterator[Finding]:
    if not (spec.uri or spec.prefix_rewrite or spec.authority or spec.scheme or spec.port or spec.derive_port):
        yield _invalid_redirect(about, "redirect must specify URI, authority, scheme, or port", path)
    if spec.uri and spec.prefix_rewrite:
        yield _invalid_redirect(about, "redirect may only specify one of uri or prefixRewrite", path)
    if spec.redirect_code and spec.redirect_code not in _CODES:
        message = f"{spec.redirect_code} is not one of the redirect codes {', '.join(map(str, _CODES))}"
        yield _invalid_redirect(about, message, f"{path}.redirectCode")
    yield from _location_findings(about, path, spec)
    for field, text in (("uri", spec.uri), ("prefixRewrite", spec.prefix_rewrite), ("authority", spec.authority)):
        if problem := text_problem(text):
            yield _invalid_redirect(about, problem, f"{path}.{field}")


def _location_findings(about: Ref, path: str, spec: istio.Redirect) -> Iterator[Finding]:
    """Check the scheme and the port of the new URL."""
    if spec.scheme and spec.scheme not in _SCHEMES:
        yield _invalid_redirect(about, "scheme must be http or https", f"{path}.scheme")
    if spec.port and spec.port not in PORTS:
        yield _invalid_redirect(about, f"port {spec.port} is not in 1..65535", f"{path}.port")
    if spec.derive_port not in _DERIVED or (spec.port and spec.derive_port):
        message = "derivePort must be FROM_PROTOCOL_DEFAULT or FROM_REQUEST_PORT, and excludes port"
        yield _invalid_redirect(about, message, f"{path}.derivePort")


def _prefix_findings(about: Ref, path: str, spec: istio.Redirect, rule: istio.HTTPRoute) -> Iterator[Finding]:
    """Check that there is a matched prefix to replace: Envoy refuses a prefix rewrite on other matches.

    A match without a uri has the prefix `/`.
    """
    if spec.prefix_rewrite and any(match.uri is not None and match.uri.prefix is None for match in rule.match):
        yield _invalid_redirect(about, "prefixRewrite requires a prefix in every uri match of the rule", path)


def _invalid_redirect(about: Ref, message: str, path: str) -> Finding:
    return Finding(about, "InvalidRedirect", message, path)


def _answer_findings(about: Ref, path: str, spec: istio.DirectResponse) -> Iterator[Finding]:
    if spec.status not in _STATUSES:
        message = f"HTTP status {spec.status} is not in 200..599"
        yield Finding(about, "InvalidResponse", message, f"{path}.status")
    if spec.body.string is not None and spec.body.data is not None:
        yield Finding(about, "InvalidResponse", "body must have one of string and bytes", f"{path}.body")
    size = len(answer_of(spec).body)
    if size > _LARGE_BODY:
        severity = Severity.ERROR if size > _LARGEST_BODY else Severity.WARNING
        message = f"body has {size} bytes, which every proxy keeps in memory; the limit is {_LARGEST_BODY}"
        yield Finding(about, "LargeBody", message, f"{path}.body", severity)
