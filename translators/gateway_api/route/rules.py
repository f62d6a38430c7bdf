"""HTTPRouteRule -> what is done with requests: sent on, redirected, answered with an error; and copied.

GRPCRoutes say less, in the same words, and are read as HTTPRoutes.
"""

from collections.abc import Iterator, Sequence
from itertools import chain

import msgspec

from mirrorplane.api.actions import Answer, Authorization, Destination, Headers, Redirect, Rewrite
from mirrorplane.api.kinds.gateway_api import http_route as gw
from mirrorplane.api.kinds.gateway_api.filters import HTTPRouteFilter
from mirrorplane.api.matches import Match
from mirrorplane.api.meta import Ref
from mirrorplane.api.routes import Forward, Route
from mirrorplane.api.view import View
from mirrorplane.translators.gateway_api.route.backends import Use, destination_of, problem
from mirrorplane.translators.gateway_api.route.cors import cors_of, with_preflights
from mirrorplane.translators.gateway_api.route.ext_authz import authorization_of
from mirrorplane.translators.gateway_api.route.extension_refs import extension
from mirrorplane.translators.gateway_api.route.filters import Filters, only
from mirrorplane.translators.gateway_api.route.headers import changes_of
from mirrorplane.translators.gateway_api.route.mirrors import copies_of, mirrors_in
from mirrorplane.translators.gateway_api.route.paths import new_path
from mirrorplane.translators.gateway_api.route.redirects import redirect_of
from mirrorplane.translators.gateway_api.route.retries import retries_of, timeout_of
from mirrorplane.translators.gateway_api.route.rule_split import WHOLE, Share, shares
from mirrorplane.translators.gateway_api.route.session_cookies import given, pin_of, shown
from mirrorplane.translators.gateway_api.route.sessions import session_of

_FAILED, _UNAVAILABLE = 500, 503
AT_BACKENDS = frozenset(
    ("RequestHeaderModifier", "ResponseHeaderModifier", "URLRewrite", "RequestMirror", "RequestRedirect")
)
"""The filters that are served for one backend alone."""
Action = Forward | Redirect | Answer
Backends = Sequence[tuple[int, gw.HTTPBackendRef]]


class Asked(msgspec.Struct, frozen=True):
    """A match of a rule: what it asks for, its rank among all (see translators/precedence), how it is written."""

    match: Match
    rank: tuple[int, ...]
    said: gw.HTTPRouteMatch = gw.HTTPRouteMatch()


class Rule(msgspec.Struct, frozen=True):
    """A rule of an object, its field, and its matches. `grpc`: it is a GRPCRoute's."""

    about: Ref
    path: str
    said: gw.HTTPRouteRule
    asked: tuple[Asked, ...]
    grpc: bool = False

    @property
    def failure(self) -> int:
        """What is answered where nothing can be sent to; 503 is UNAVAILABLE to gRPC's clients."""
        return _UNAVAILABLE if self.grpc else _FAILED

    def use(self, field: str) -> Use:
        """Return a field of the rule as what names backends."""
        return Use(self.about, f"{self.path}.{field}", self.grpc)


class _Case(msgspec.Struct, frozen=True):
    """One match of a rule at a listener of some scheme and port."""

    rule: Rule
    asked: Asked
    listener: tuple[str, int]


def routes_of(view: View, rule: Rule, scheme: str, port: int) -> Iterator[Route]:
    """Yield the routes of a rule at a listener of some scheme and port: for each match one, or some that share it."""
    cors = only(rule.said.filters, "CORS")
    whole = Route(
        name=rule.said.name,
        match=Match(),
        action=Answer(rule.failure),
        ref=rule.about,
        path=rule.path,
        headers=headers_of(rule.said.filters),
        cors=cors_of(cors.cors) if cors is not None else None,
        authorization=_authorization(view, rule),
        session=session_of(rule.about, rule.path, rule.said.session_persistence),
    )
    for asked in rule.asked:
        case = _Case(rule, asked, (scheme, port))
        if _is_pinned(view, whole, rule):
            yield from with_preflights(list(_pinned(view, case, whole)))
            continue
        made = [
            msgspec.structs.replace(whole, match=_among(asked.match, share), action=action, rank=asked.rank)
            for share, action in _actions(view, case)
        ]
        yield from with_preflights(made)


def unresolved(view: View, rule: Rule) -> Iterator[tuple[int, str, str, str]]:
    """Yield the filters that cannot be done: place, reason, field below and sentence. None may be left out."""
    for i, one in enumerate(rule.said.filters):
        if one.extension_ref is not None:
            found = extension(view, rule.about, one.extension_ref)
            if found.reason:
                yield i, found.reason, "extensionRef", found.problem
        if one.external_auth is not None:
            reason, field, sentence = problem(view, auth_use(rule, i), one.external_auth.backend_ref)
            if reason:
                yield i, reason, f"externalAuth.backendRef.{field}", sentence


def auth_use(rule: Rule, i: int) -> Use:
    """Return a filter for authorisation as what names a backend."""
    said = rule.said.filters[i].external_auth
    grpc = said is not None and said.protocol == "GRPC"
    return Use(rule.about, f"{rule.path}.filters[{i}].externalAuth.backendRef", grpc)


def unserved_at(said: gw.HTTPBackendRef) -> Iterator[tuple[int, str]]:
    """Yield the filters of a backend that cannot be done for it alone, by their place and name."""
    yield from ((i, one.type) for i, one in enumerate(said.filters) if one.type not in AT_BACKENDS)


def headers_of(filters: Filters) -> Headers:
    """Return the changes of headers."""
    request, response = only(filters, "RequestHeaderModifier"), only(filters, "ResponseHeaderModifier")
    return Headers(
        changes_of(request.request_header_modifier if request is not None else None),
        changes_of(response.response_header_modifier if response is not None else None),
    )


def _among(match: Match, share: Share) -> Match:
    return match if share.end == WHOLE.end else msgspec.structs.replace(match, among=share.end)


def _authorization(view: View, rule: Rule) -> Authorization | None:
    if any(unresolved(view, rule)):
        return None
    found = ((i, one.external_auth) for i, one in enumerate(rule.said.filters) if one.external_auth is not None)
    return next((authorization_of(view, auth_use(rule, i), said) for i, said in found), None)


def _actions(view: View, case: _Case) -> Iterator[tuple[Share, Action]]:
    """Yield what is done, and with which share of the requests."""
    rule = case.rule
    redirect = only(rule.said.filters, "RequestRedirect")
    backends = [(i, to) for i, to in enumerate(rule.said.backend_refs) if to.weight]
    if any(unresolved(view, rule)):
        yield WHOLE, Answer(rule.failure)
    elif redirect is not None and redirect.request_redirect is not None:
        yield WHOLE, redirect_of(redirect.request_redirect, case.asked.said, case.listener)
    elif any(_is_apart(rule, to) for _, to in backends):
        found = zip(backends, shares([to.weight for _, to in backends]), strict=True)
        yield from ((share, _apart(view, case, one, share)) for one, share in found if share.end > share.start)
    else:
        yield WHOLE, _forward(view, case, backends)


def _is_pinned(view: View, whole: Route, rule: Rule) -> bool:
    """Tell whether sessions have to be kept at one of several backends, which only cookies can."""
    several = sum(1 for to in rule.said.backend_refs if to.weight) > 1
    kept = whole.session is not None and not whole.session.header
    return several and kept and only(rule.said.filters, "RequestRedirect") is None and not any(unresolved(view, rule))


def _pinned(view: View, case: _Case, whole: Route) -> Iterator[Route]:
    """Yield a route to each backend for those whose session began there, and then one for its share of all others.

    Gateway API: a backend of weight 0 keeps its sessions, and gets no new ones. Nobody is pinned to what fails.
    """
    rule, asked, session = case.rule, case.asked, whole.session
    assert session is not None
    pins = [pin_of(session, rule.about, to) for to in rule.said.backend_refs]
    alike = msgspec.structs.replace(whole, rank=asked.rank)
    for i, to in enumerate(rule.said.backend_refs):
        action = _apart(view, case, (i, to), WHOLE)
        yield msgspec.structs.replace(alike, match=shown(asked.match, pins[i]), action=action)
    backends = [(i, to) for i, to in enumerate(rule.said.backend_refs) if to.weight]
    for (i, to), share in zip(backends, shares([to.weight for _, to in backends]), strict=True):
        action = _apart(view, case, (i, to), share)
        lasts = not isinstance(action, Forward) or action.destinations
        headers = given(whole.headers, pins[i]) if lasts else whole.headers
        if share.end > share.start:
            yield msgspec.structs.replace(alike, match=_among(asked.match, share), action=action, headers=headers)


def _is_apart(rule: Rule, to: gw.HTTPBackendRef) -> bool:
    """Tell whether something is done for a backend that Envoy cannot do for one of several clusters."""
    rewrite, whole = only(to.filters, "URLRewrite"), only(rule.said.filters, "URLRewrite")
    if rewrite is not None and rewrite.url_rewrite is not None and (rewrite.url_rewrite.path or whole is not None):
        return True
    return any(one.type in {"RequestRedirect", "RequestMirror"} for one in to.filters)


def _apart(view: View, case: _Case, backend: tuple[int, gw.HTTPBackendRef], share: Share) -> Action:
    redirect = only(backend[1].filters, "RequestRedirect")
    if redirect is None or redirect.request_redirect is None or any(unserved_at(backend[1])):
        return _forward(view, case, [backend], share)
    return redirect_of(redirect.request_redirect, case.asked.said, case.listener)


def _forward(view: View, case: _Case, backends: Backends, share: Share = WHOLE) -> Forward:
    """Return what is sent on of a share of the requests. What an only backend says goes before what the rule says."""
    rule, filters = case.rule, case.rule.said.filters
    to = tuple(_destination(view, rule, i, said) for i, said in backends)
    rewrite = only(filters, "URLRewrite")
    own = [(i, said.filters) for i, said in backends] if len(backends) == 1 else []
    copied = chain(
        mirrors_in(filters, rule.use("filters")),
        *(mirrors_in(said, rule.use(f"backendRefs[{i}].filters")) for i, said in own),
    )
    return Forward(
        destinations=to if any(not one.fails for one in to) else (),
        mirrors=tuple(copies_of(view, copied, share)),
        timeout_ms=timeout_of(rule.said),
        retries=retries_of(rule.said),
        rewrite=_rewrite([*(only(said, "URLRewrite") for _, said in own), rewrite], case.asked.said),
        failure=rule.failure,
    )


def _destination(view: View, rule: Rule, i: int, said: gw.HTTPBackendRef) -> Destination:
    use = rule.use(f"backendRefs[{i}]")
    rewrite = only(said.filters, "URLRewrite")
    return msgspec.structs.replace(
        destination_of(view, use, said),
        weight=said.weight,
        headers=headers_of(said.filters),
        rewrite_host=rewrite.url_rewrite.hostname if rewrite is not None and rewrite.url_rewrite else "",
        fails=bool(problem(view, use, said)[0] or list(unserved_at(said))),
    )


def _rewrite(found: Sequence[HTTPRouteFilter | None], match: gw.HTTPRouteMatch) -> Rewrite:
    """Return what is changed: of the path and of the host what the first says that says anything of it."""
    said = [one.url_rewrite for one in found if one is not None and one.url_rewrite is not None]
    path = new_path(next((one.path for one in said if one.path is not None), None), match).as_pattern
    host = next((one.hostname for one in said if one.hostname), "")
    return Rewrite(path.prefix, path.pattern, path.substitution, host)
