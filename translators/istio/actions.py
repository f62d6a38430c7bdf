"""What a rule does besides sending requests on: rewrite, redirect, answer. Which of them go together."""

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

_CODES = (301, 302, 303, 307, 308)
_SCHEMES = ("http", "https")
_DERIVED = ("", "FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT")
_STATUSES = range(200, 600)
_LARGEST_BODY, _LARGE_BODY = 1 << 20, 100 << 10
_NEVER_TOGETHER = (
    ("redirect", "fault"),
    ("redirect", "rewrite"),
    ("directResponse", "redirect"),
    ("directResponse", "fault"),
    ("directResponse", "rewrite"),
)
_GROUP = re.compile(r"\\(.?)")


def rewrite_of(rule: istio.HTTPRoute) -> Rewrite:
    """Return what is changed; the host of `rewrite` goes before that of `headers` (Istio)."""
    said = rule.rewrite or istio.Rewrite()
    inside = said.uri_regex_rewrite or istio.RegexRewrite()
    return Rewrite(said.uri, inside.match, inside.rewrite, said.authority or host_of(rule.headers))


def redirect_of(said: istio.Redirect) -> Redirect:
    """Return the redirect."""
    return Redirect(
        code=said.redirect_code or _CODES[0],
        host=said.authority,
        path=said.uri,
        prefix=said.prefix_rewrite,
        scheme=said.scheme,
        port=said.port,
        request_port=said.derive_port == "FROM_REQUEST_PORT",
    )


def answer_of(said: istio.DirectResponse) -> Answer:
    """Return the proxy's own answer."""
    return Answer(said.status, said.body.data or (said.body.string or "").encode())


def action_findings(about: Ref, path: str, rule: istio.HTTPRoute) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses of a rule that is no delegate's root."""
    if not (rule.route or rule.redirect or rule.direct_response):
        message = "HTTP route, redirect or direct_response is required"
        yield Finding(about, "NoRoute", message, path, fix="add route with at least one destination")
    for field, value in (("redirect", rule.redirect), ("directResponse", rule.direct_response)):
        if value is not None and rule.route:
            yield Finding(about, "InvalidRule", f"HTTP route cannot contain both route and {field}", f"{path}.{field}")
        if value is not None and (rule.mirror or rule.mirrors):
            mirror = f"{path}.mirror" if rule.mirror else f"{path}.mirrors"
            message = f"a {field} is answered by the proxy, so there is nothing to copy: the mirror never happens"
            yield Finding(
                about, "MirrorUnused", message, mirror, Severity.WARNING, "put the mirror on a rule with route"
            )
    said = {"redirect": rule.redirect, "directResponse": rule.direct_response}
    given = {"redirect": rule.redirect, "fault": rule.fault, "rewrite": rule.rewrite}
    for one, other in _NEVER_TOGETHER:
        if said[one] is not None and given[other] is not None:
            yield Finding(about, "InvalidRule", f"HTTP route cannot contain both {other} and {one}", f"{path}.{other}")
    if rule.redirect is not None:
        yield from _redirect_findings(about, f"{path}.redirect", rule.redirect, rule)
    if rule.direct_response is not None:
        yield from _answer_findings(about, f"{path}.directResponse", rule.direct_response)


def rewrite_findings(about: Ref, path: str, rule: istio.HTTPRoute) -> Iterator[Finding]:
    """Refuse what Istio's validation and Envoy refuse."""
    if rule.rewrite is None:
        return
    said, inside = rule.rewrite, rule.rewrite.uri_regex_rewrite
    if not (said.uri or said.authority or inside):
        yield Finding(about, "InvalidRewrite", "rewrite must specify uri, uriRegexRewrite or authority", path)
    if said.uri and inside:
        yield Finding(about, "InvalidRewrite", "rewrite may only contain one of uri and uriRegexRewrite", path)
    if said.authority and host_of(rule.headers):
        message = "authority header cannot be set multiple times: there is rewrite.authority, and a Host in headers"
        yield Finding(about, "InvalidRewrite", message, f"{path}.authority")
    for field, text in (("uri", said.uri), ("authority", said.authority)):
        if problem := text_problem(text):
            yield Finding(about, "InvalidRewrite", problem, f"{path}.{field}")
    if inside is not None:
        yield from _inside_findings(about, f"{path}.uriRegexRewrite", inside)


def _inside_findings(about: Ref, path: str, said: istio.RegexRewrite) -> Iterator[Finding]:
    if not said.rewrite:
        yield Finding(about, "InvalidRewrite", "uriRegexRewrite needs both match and rewrite", f"{path}.rewrite")
    if problem := regex_problem(said.match):
        yield Finding(about, "InvalidRewrite", problem, f"{path}.match")
        return
    groups = regex_groups(said.match)
    wrong = [w for w in _GROUP.findall(said.rewrite) if w != "\\" and not (w.isdigit() and int(w) <= groups)]
    if problem := text_problem(said.rewrite) or (
        f"\\{wrong[0]} is none of the groups of the match, which has {groups}; a backslash itself is \\\\"
        if wrong
        else ""
    ):
        yield Finding(about, "InvalidRewrite", problem, f"{path}.rewrite")
    elif said.rewrite and may_lose_slash(said.match, said.rewrite):
        message = "the path can lose the slash it begins with, and servers refuse such a path"
        fix = "begin rewrite with /, or leave the first slash out of match"
        yield Finding(about, "PathWithoutSlash", message, f"{path}.rewrite", Severity.WARNING, fix)


def _redirect_findings(about: Ref, path: str, said: istio.Redirect, rule: istio.HTTPRoute) -> Iterator[Finding]:
    if not (said.uri or said.prefix_rewrite or said.authority or said.scheme or said.port or said.derive_port):
        yield Finding(about, "InvalidRedirect", "redirect must specify URI, authority, scheme, or port", path)
    if said.uri and said.prefix_rewrite:
        yield Finding(about, "InvalidRedirect", "redirect may only specify one of uri or prefixRewrite", path)
    if said.prefix_rewrite and any(m.uri is None or m.uri.prefix is None for m in rule.match):
        message = "prefixRewrite needs every match of the rule to be of a uri prefix"
        yield Finding(about, "InvalidRedirect", message, f"{path}.prefixRewrite")
    if said.redirect_code and said.redirect_code not in _CODES:
        message = f"{said.redirect_code} is not one of the redirect codes {', '.join(map(str, _CODES))}"
        yield Finding(about, "InvalidRedirect", message, f"{path}.redirectCode")
    if said.scheme and said.scheme not in _SCHEMES:
        yield Finding(about, "InvalidRedirect", "the scheme is http or https", f"{path}.scheme")
    if said.port and said.port not in PORTS:
        yield Finding(about, "InvalidRedirect", f"port {said.port} is not in 1..65535", f"{path}.port")
    if said.derive_port not in _DERIVED or (said.port and said.derive_port):
        message = "derivePort is FROM_PROTOCOL_DEFAULT or FROM_REQUEST_PORT, and not beside port"
        yield Finding(about, "InvalidRedirect", message, f"{path}.derivePort")
    for field, text in (("uri", said.uri), ("prefixRewrite", said.prefix_rewrite), ("authority", said.authority)):
        if problem := text_problem(text):
            yield Finding(about, "InvalidRedirect", problem, f"{path}.{field}")


def _answer_findings(about: Ref, path: str, said: istio.DirectResponse) -> Iterator[Finding]:
    if said.status not in _STATUSES:
        message = f"HTTP status {said.status} is not in 200..599"
        yield Finding(about, "InvalidResponse", message, f"{path}.status")
    if said.body.string is not None and said.body.data is not None:
        yield Finding(about, "InvalidResponse", "the body is either a string or bytes", f"{path}.body")
    size = len(answer_of(said).body)
    if size > _LARGE_BODY:
        severity = Severity.ERROR if size > _LARGEST_BODY else Severity.WARNING
        message = f"the body has {size} bytes; every proxy keeps it, and {_LARGEST_BODY} is the most Envoy takes"
        yield Finding(about, "LargeBody", message, f"{path}.body", severity)
