"""HTTPRouteRule -> what is done with requests: sent on, redirected, answered 500; and copied."""

from collections.abc import Iterator

import msgspec

from api.actions import Answer, Destination, Headers, Redirect, Rewrite
from api.finding import Finding, Severity
from api.kinds.gateway_api import http_route as gw
from api.meta import Ref
from api.mirrors import Mirror
from api.routes import Forward, Route
from api.units import MILLION, milliseconds
from api.view import View
from translators.gateway_api.backends import destination_of, problem
from translators.gateway_api.filters import SERVED, Filters, only
from translators.gateway_api.headers import changes_of
from translators.gateway_api.matches import match_of
from translators.gateway_api.paths import new_path

_FAILED = 500
_WELL_KNOWN = {"http": 80, "https": 443}
_AT_BACKENDS = frozenset(("RequestHeaderModifier", "ResponseHeaderModifier", "URLRewrite", "RequestMirror"))


class Rule(msgspec.Struct, frozen=True):
    """A rule of an object, and its field."""

    about: Ref
    path: str
    said: gw.HTTPRouteRule

    @property
    def unserved(self) -> tuple[int, ...]:
        """Its filters that are not served: none may be left out, so its requests are answered 500."""
        return tuple(i for i, one in enumerate(self.said.filters) if one.type not in SERVED)


def routes_of(view: View, rule: Rule, scheme: str, port: int) -> Iterator[Route]:
    """Yield the routes of a rule at a listener of some scheme and port, one for each match."""
    for match in rule.said.matches or (gw.HTTPRouteMatch(),):
        yield Route(
            name=rule.said.name,
            match=match_of(match),
            action=_action(view, rule, match, (scheme, port)),
            ref=rule.about,
            path=rule.path,
            headers=_headers(rule.said.filters),
        )


def rule_findings(view: View, rule: Rule) -> Iterator[Finding]:
    """Say which backends and mirrors there are not, and which filters are not served."""
    for i in rule.unserved:
        kind = rule.said.filters[i].type
        message = f"the filter {kind} is not served, and none may be left out: requests are answered {_FAILED}"
        yield Finding(rule.about, "UnsupportedFilter", message, f"{rule.path}.filters[{i}].type")
    for i, match in enumerate(rule.said.matches):
        if match.method == "CONNECT":
            message = "CONNECT is not served at Gateways: no request matches this"
            yield Finding(rule.about, "UnsupportedMethod", message, f"{rule.path}.matches[{i}].method")
    for i, to in enumerate(rule.said.backend_refs):
        path = f"{rule.path}.backendRefs[{i}]"
        reason, field, sentence = problem(view, rule.about, to)
        if reason:
            message = f"{sentence}: its share of the requests is answered {_FAILED}"
            yield Finding(rule.about, reason, message, f"{path}.{field}")
        yield from _filter_findings(rule, path, to)
    for path, said in _mirrors(rule):
        reason, field, sentence = problem(view, rule.about, said.backend_ref)
        if reason:
            message = f"{sentence}: nothing is copied; the rule itself is not affected"
            yield Finding(rule.about, reason, message, f"{path}.backendRef.{field}")
        elif only(rule.said.filters, "RequestRedirect") is not None:
            message = "a redirect is answered by the proxy, so there is nothing to copy: the mirror never happens"
            yield Finding(rule.about, "MirrorUnused", message, path, Severity.WARNING)


def _action(view: View, rule: Rule, match: gw.HTTPRouteMatch, listener: tuple[str, int]) -> Forward | Redirect | Answer:
    if rule.unserved:
        return Answer(_FAILED)
    redirect = only(rule.said.filters, "RequestRedirect")
    if redirect is not None and redirect.request_redirect is not None:
        return _redirect(redirect.request_redirect, match, listener)
    to = tuple(_destinations(view, rule))
    return Forward(
        destinations=to if any(not one.fails for one in to) else (),
        mirrors=tuple(_copies(view, rule)),
        timeout_ms=_timeout(rule.said.timeouts),
        rewrite=_rewrite(rule.said.filters, match),
    )


def _destinations(view: View, rule: Rule) -> Iterator[Destination]:
    """Yield where requests go. Those of weight 0 get none."""
    for i, said in enumerate(rule.said.backend_refs):
        path = f"{rule.path}.backendRefs[{i}]"
        to = destination_of(rule.about, path, said)
        rewrite = only(said.filters, "URLRewrite")
        if said.weight:
            yield msgspec.structs.replace(
                to,
                weight=said.weight,
                headers=_headers(said.filters),
                rewrite_host=rewrite.url_rewrite.hostname if rewrite is not None and rewrite.url_rewrite else "",
                fails=bool(problem(view, rule.about, said)[0] or list(_unserved_at(said))),
            )


def _unserved_at(said: gw.HTTPBackendRef) -> Iterator[tuple[int, str]]:
    """Yield the filters of a backend that cannot be done for it alone, by their place and name."""
    for i, one in enumerate(said.filters):
        moves = one.url_rewrite is not None and one.url_rewrite.path is not None
        if one.type not in _AT_BACKENDS or moves:
            yield i, "URLRewrite of the path" if moves else one.type


def _filter_findings(rule: Rule, path: str, said: gw.HTTPBackendRef) -> Iterator[Finding]:
    for i, what in _unserved_at(said):
        message = (
            f"{what} is not served for one backend, and no filter may be left out: requests that would go there are"
            f" answered {_FAILED}"
        )
        fix = "put it into the filters of the rule"
        yield Finding(rule.about, "UnsupportedFilter", message, f"{path}.filters[{i}]", fix=fix)
    for i, one in enumerate(said.filters):
        if one.type == "RequestMirror" and len(rule.said.backend_refs) > 1:
            message = "what goes to one of several backends is not copied alone: this mirror never happens"
            fix = "put it into the filters of the rule"
            yield Finding(rule.about, "UnsupportedFilter", message, f"{path}.filters[{i}]", fix=fix)


def _mirrors(rule: Rule) -> Iterator[tuple[str, gw.HTTPRequestMirrorFilter]]:
    """Yield the mirrors of a rule with their fields; those of an only backend are the rule's."""
    said = [(f"{rule.path}.filters[{i}]", one) for i, one in enumerate(rule.said.filters)]
    if len(rule.said.backend_refs) == 1:
        where = f"{rule.path}.backendRefs[0].filters"
        said += [(f"{where}[{i}]", one) for i, one in enumerate(rule.said.backend_refs[0].filters)]
    yield from ((f"{path}.requestMirror", one.request_mirror) for path, one in said if one.request_mirror is not None)


def _copies(view: View, rule: Rule) -> Iterator[Mirror]:
    for path, said in _mirrors(rule):
        share = _share(said)
        if share and not problem(view, rule.about, said.backend_ref)[0]:
            yield Mirror(destination_of(rule.about, f"{path}.backendRef", said.backend_ref), rule.about, share)


def _share(said: gw.HTTPRequestMirrorFilter) -> int:
    """Return the share in parts per MILLION."""
    if said.percent is not None:
        return said.percent * MILLION // 100
    if said.fraction is not None:
        return round(MILLION * said.fraction.numerator / said.fraction.denominator)
    return MILLION


def _headers(filters: Filters) -> Headers:
    request, response = only(filters, "RequestHeaderModifier"), only(filters, "ResponseHeaderModifier")
    return Headers(
        changes_of(request.request_header_modifier if request is not None else None),
        changes_of(response.response_header_modifier if response is not None else None),
    )


def _rewrite(filters: Filters, match: gw.HTTPRouteMatch) -> Rewrite:
    found = only(filters, "URLRewrite")
    if found is None or found.url_rewrite is None:
        return Rewrite()
    path = new_path(found.url_rewrite.path, match).as_pattern
    return Rewrite(path.prefix, path.pattern, path.substitution, found.url_rewrite.hostname)


def _redirect(said: gw.HTTPRequestRedirectFilter, match: gw.HTTPRouteMatch, listener: tuple[str, int]) -> Redirect:
    """Return the redirect.

    Gateway API: without a port it is that of the scheme, where one is said, else the listener's; a scheme's own port
    stays unsaid.
    """
    scheme, path = said.scheme or listener[0], new_path(said.path, match)
    port = said.port or (_WELL_KNOWN[said.scheme] if said.scheme else listener[1])
    return Redirect(
        code=said.status_code,
        host=said.hostname,
        path=path.whole,
        prefix=path.prefix,
        scheme=said.scheme or "",
        port=port if port != _WELL_KNOWN[scheme] else 0,
        pattern=path.pattern,
        substitution=path.substitution,
    )


def _timeout(said: gw.HTTPRouteTimeouts) -> int:
    """Return how long a request may take: nothing is tried again for being slow, so the first try's time is all."""
    found = [milliseconds(text) for text in (said.request, said.backend_request) if text]
    return min((ms for ms in found if ms), default=0)
