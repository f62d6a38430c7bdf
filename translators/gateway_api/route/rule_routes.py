"""Rule -> Routes at a listener: forwarded, redirected or answered with an error; and mirrored."""

from collections.abc import Iterator, Sequence
from itertools import chain

import msgspec

from mirrorplane.api.actions import Answer, Authorization, Destination, Headers, Redirect, Rewrite
from mirrorplane.api.kinds.gateway_api import http_route as gw
from mirrorplane.api.kinds.gateway_api.filters import HTTPRequestRedirectFilter, HTTPRouteFilter
from mirrorplane.api.routes import Branch, Forward, Route, Split
from mirrorplane.api.view import View
from mirrorplane.translators.gateway_api.route.backends import backend_problem, destination_of
from mirrorplane.translators.gateway_api.route.cors import cors_of
from mirrorplane.translators.gateway_api.route.ext_authz import authorization_of
from mirrorplane.translators.gateway_api.route.filters import Filters, find_filter
from mirrorplane.translators.gateway_api.route.headers import changes_of
from mirrorplane.translators.gateway_api.route.mirrors import mirror_filters, mirrors_of
from mirrorplane.translators.gateway_api.route.paths import new_path
from mirrorplane.translators.gateway_api.route.retries import retries_of, timeout_of
from mirrorplane.translators.gateway_api.route.rules import (
    Rule,
    RuleMatch,
    auth_referrer,
    filter_problems,
    unsupported_filters,
)
from mirrorplane.translators.gateway_api.route.sessions import session_of

_DEFAULT_PORTS = {"http": 80, "https": 443}
Backends = Sequence[tuple[int, gw.HTTPBackendRef]]
"""Backends of a rule, each with its index there."""


class _Case(msgspec.Struct, frozen=True):
    """One match of a rule at a listener of some scheme and port."""

    rule: Rule
    match: RuleMatch
    scheme: str
    port: int


def routes_of(view: View, rule: Rule, scheme: str, port: int) -> Iterator[Route]:
    """Yield a route for each match of a rule, as it applies at a listener of some scheme and port."""
    cors = find_filter(rule.spec.filters, "CORS")
    for match in rule.matches:
        yield Route(
            name=rule.spec.name,
            match=match.match,
            action=_action(view, _Case(rule, match, scheme, port)),
            ref=rule.about,
            path=rule.path,
            headers=headers_of(rule.spec.filters),
            cors=cors_of(cors.cors) if cors is not None else None,
            authorization=_authorization(view, rule),
            session=session_of(rule.about, rule.path, rule.spec.session_persistence),
            rank=match.rank,
        )


def headers_of(filters: Filters) -> Headers:
    """Return the header changes of filters."""
    request, response = find_filter(filters, "RequestHeaderModifier"), find_filter(filters, "ResponseHeaderModifier")
    return Headers(
        changes_of(request.request_header_modifier if request is not None else None),
        changes_of(response.response_header_modifier if response is not None else None),
    )


def redirect_of(spec: HTTPRequestRedirectFilter, match: gw.HTTPRouteMatch, scheme: str, port: int) -> Redirect:
    """Return a redirect at a listener of some scheme and port.

    Gateway API: without `port` it is the default of `scheme` where that is set, else the listener's; a scheme's
    default port is not written into the Location.
    """
    # The port in the client's Host is no part of this: the expansion of host redirects takes care of it.
    path = new_path(spec.path, match)
    new_port = spec.port or (_DEFAULT_PORTS[spec.scheme] if spec.scheme else port)
    is_default = new_port == _DEFAULT_PORTS[spec.scheme or scheme]
    return Redirect(
        code=spec.status_code,
        host=spec.hostname,
        path=path.full,
        prefix=path.prefix,
        scheme=spec.scheme or "",
        port=0 if is_default and spec.hostname else new_port,
        scheme_port=is_default and not spec.hostname,
        pattern=path.pattern,
        substitution=path.substitution,
    )


def _authorization(view: View, rule: Rule) -> Authorization | None:
    if any(filter_problems(view, rule)):
        return None
    auths = ((i, f.external_auth) for i, f in enumerate(rule.spec.filters) if f.external_auth is not None)
    return next((authorization_of(view, auth_referrer(rule, i), auth) for i, auth in auths), None)


def _action(view: View, case: _Case) -> Forward | Redirect | Answer | Split:
    rule = case.rule
    redirect = find_filter(rule.spec.filters, "RequestRedirect")
    backends = list(enumerate(rule.spec.backend_refs))
    weighted = [(i, backend) for i, backend in backends if backend.weight]
    # A rule that lost a filter must not forward without it (decision 0084).
    if any(filter_problems(view, rule)):
        return Answer(rule.failure)
    if redirect is not None and redirect.request_redirect is not None:
        return redirect_of(redirect.request_redirect, case.match.spec, case.scheme, case.port)
    # Backends of weight 0 stay branches here: they get no new sessions, and keep those that they have.
    if _is_pinned(rule, len(weighted)):
        return Split(tuple(_branch(view, case, backend, pinned=True) for backend in backends))
    if any(_needs_branch(rule, backend) for _, backend in weighted):
        return Split(tuple(_branch(view, case, backend) for backend in weighted))
    return _forward(view, case, weighted)


def _is_pinned(rule: Rule, weighted: int) -> bool:
    """Tell whether sessions have to stay on one of several backends, which only cookies can say."""
    session = session_of(rule.about, rule.path, rule.spec.session_persistence)
    return weighted > 1 and session is not None and not session.header


def _needs_branch(rule: Rule, backend: gw.HTTPBackendRef) -> bool:
    """Tell whether a backend has filters that Envoy cannot apply to one of several weighted clusters.

    It can change headers there, and the host, unless the rule rewrites that as well.
    """
    rewrite, rule_rewrite = find_filter(backend.filters, "URLRewrite"), find_filter(rule.spec.filters, "URLRewrite")
    if rewrite is not None and rewrite.url_rewrite is not None and (rewrite.url_rewrite.path or rule_rewrite):
        return True
    return any(f.type in {"RequestRedirect", "RequestMirror"} for f in backend.filters)


def _branch(view: View, case: _Case, backend: tuple[int, gw.HTTPBackendRef], *, pinned: bool = False) -> Branch:
    ref = backend[1]
    pin = f"{ref.namespace or case.rule.about.namespace}/{ref.name}:{ref.port}" if pinned else ""
    redirect = find_filter(ref.filters, "RequestRedirect")
    if redirect is None or redirect.request_redirect is None or any(unsupported_filters(ref)):
        return Branch(_forward(view, case, [backend]), ref.weight, pin)
    action = redirect_of(redirect.request_redirect, case.match.spec, case.scheme, case.port)
    return Branch(action, ref.weight, pin)


def _forward(view: View, case: _Case, backends: Backends) -> Forward:
    """Return how requests are forwarded. The filters of an only backend go before those of the rule."""
    rule, filters = case.rule, case.rule.spec.filters
    destinations = tuple(_destination(view, rule, i, backend) for i, backend in backends)
    only_backend = backends if len(backends) == 1 else ()
    mirrors = chain(
        mirror_filters(filters, rule.referrer("filters")),
        *(mirror_filters(ref.filters, rule.referrer(f"backendRefs[{i}].filters")) for i, ref in only_backend),
    )
    rewrites = [
        *(find_filter(ref.filters, "URLRewrite") for _, ref in only_backend),
        find_filter(filters, "URLRewrite"),
    ]
    return Forward(
        # One that fails keeps its share, which is answered with an error (decision 0082); if all do, the proxy answers.
        destinations=destinations if any(not destination.fails for destination in destinations) else (),
        mirrors=tuple(mirrors_of(view, mirrors)),
        timeout_ms=timeout_of(rule.spec),
        retries=retries_of(rule.spec),
        rewrite=_rewrite(rewrites, case.match.spec),
        failure=rule.failure,
    )


def _destination(view: View, rule: Rule, i: int, backend: gw.HTTPBackendRef) -> Destination:
    referrer = rule.referrer(f"backendRefs[{i}]")
    rewrite = find_filter(backend.filters, "URLRewrite")
    return msgspec.structs.replace(
        destination_of(view, referrer, backend),
        weight=backend.weight,
        headers=headers_of(backend.filters),
        rewrite_host=rewrite.url_rewrite.hostname if rewrite is not None and rewrite.url_rewrite else "",
        fails=i in rule.failing_backends
        or backend_problem(view, referrer, backend) is not None
        or any(unsupported_filters(backend)),
    )


def _rewrite(filters: Sequence[HTTPRouteFilter | None], match: gw.HTTPRouteMatch) -> Rewrite:
    """Return the rewrite: path and host each from the first filter that sets it."""
    rewrites = [f.url_rewrite for f in filters if f is not None and f.url_rewrite is not None]
    path = new_path(next((rewrite.path for rewrite in rewrites if rewrite.path is not None), None), match).as_pattern
    host = next((rewrite.hostname for rewrite in rewrites if rewrite.hostname), "")
    return Rewrite(path.prefix, path.pattern, path.substitution, host)
