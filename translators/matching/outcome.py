"""A request and the resources of a proxy -> the Outcome of the request."""

from http import HTTPStatus

import msgspec

from mirrorplane.api.meta import FieldRef, Ref
from mirrorplane.api.tracing import Forwarded, Outcome, Reply, Request, SkippedRoute
from mirrorplane.translators import envoy
from mirrorplane.translators.matching.decoded import DecodedResources
from mirrorplane.translators.matching.fields import (
    expectation,
    fraction,
    header_problem,
    query_problem,
    string_matches,
)
from mirrorplane.translators.matching.filters import abort_reply, fault_outcome, preflight_reply
from mirrorplane.translators.matching.forwarding import NestedRoute, forward
from mirrorplane.translators.matching.headers import response_edits
from mirrorplane.translators.matching.listeners import match_listener
from mirrorplane.translators.matching.path_normalization import apply_path_form, scheme_of
from mirrorplane.translators.matching.paths import path_problem
from mirrorplane.translators.matching.redirects import CODES, location
from mirrorplane.translators.matching.virtual_hosts import find_virtual_host


def trace_request(resources: DecodedResources, request: Request) -> Outcome:
    """Return what a proxy with these resources does with a request."""
    match = match_listener(resources, request)
    if match is None:
        return Outcome(request)
    outcome = Outcome(request, listener=match.listener, filter_chain=match.filter_chain, l4_clusters=match.l4_clusters)
    if match.l4_clusters or (request.tls and not match.terminates_tls):
        return outcome
    path = apply_path_form(request.path, match.paths)
    if path is None:
        return msgspec.structs.replace(outcome, status=HTTPStatus.BAD_REQUEST.value)
    normalized = msgspec.structs.replace(request, path=path, scheme="https" if request.tls else scheme_of(request))
    outcome = msgspec.structs.replace(outcome, request=normalized)
    if match.routes is None:
        return msgspec.structs.replace(outcome, status=HTTPStatus.NOT_FOUND.value)
    return _route(resources, match.routes, outcome)


def _route(resources: DecodedResources, configuration: envoy.RouteConfiguration, outcome: Outcome) -> Outcome:
    outcome = msgspec.structs.replace(
        outcome, route_configuration=configuration.name, status=HTTPStatus.NOT_FOUND.value
    )
    request, match = outcome.request, find_virtual_host(configuration, outcome.request.authority)
    if match is None:
        return outcome
    host, domain = match
    outcome = msgspec.structs.replace(outcome, virtual_host=host.name, domain=domain)
    if host.require_tls == envoy.VirtualHost.ALL and request.scheme != "https":
        reply = Reply(HTTPStatus.MOVED_PERMANENTLY.value, f"https://{request.authority}{request.path}")
        return msgspec.structs.replace(outcome, action=reply, status=reply.status)
    skipped: list[SkippedRoute] = []
    for route in host.routes:
        reason = match_problem(route.match, request)
        if not reason:
            remaining = len(host.routes) - len(skipped) - 1
            outcome = msgspec.structs.replace(
                outcome, skipped=tuple(skipped), remaining_routes=remaining, **_route_fraction(route, request)
            )
            return _act(resources, NestedRoute(route, host, configuration), outcome)
        skipped.append(SkippedRoute(route.name, reason, origin(route)))
    return msgspec.structs.replace(outcome, skipped=tuple(skipped))


def _route_fraction(route: envoy.Route, request: Request) -> dict[str, int]:
    """Return the fraction of requests that a route applies to, when no random value decides."""
    if request.random_value is not None or not route.match.HasField("runtime_fraction"):
        return {}
    numerator, denominator = fraction(route.match.runtime_fraction.default_value)
    return {"numerator": numerator, "denominator": denominator}


def match_problem(match: envoy.RouteMatch, request: Request) -> str:
    """Return why a route does not match, from its first matcher that fails, or "".

    Without a random value, a fraction always matches.
    """
    if match.HasField("runtime_fraction") and request.random_value is not None:
        numerator, denominator = fraction(match.runtime_fraction.default_value)
        if request.random_value % denominator >= numerator:
            return f"the request is not among the {numerator} of {denominator} that this route samples"
    address_problems = (_address_problem(matcher, request) for matcher in match.filter_state)
    problem = next(filter(None, (path_problem(match, request.path), *address_problems)), "")
    header_problems = (header_problem(matcher, request) for matcher in match.headers)
    query_problems = (query_problem(matcher, request.path) for matcher in match.query_parameters)
    return problem or next(filter(None, header_problems), "") or next(filter(None, query_problems), "")


def _address_problem(matcher: envoy.FilterStateMatcher, request: Request) -> str:
    """Return why the dialled address does not match: our routes use filter state for nothing else."""
    if string_matches(matcher.string_match, request.address):
        return ""
    return f"the dialled address is {request.address!r} (it {expectation(matcher.string_match)})"


def origin(route: envoy.Route) -> FieldRef | None:
    """Return the field that a route was built from, as its metadata says; None for a service's default route."""
    metadata = route.metadata.filter_metadata
    fields = metadata["istio"].fields if "istio" in metadata else {}
    if "config" not in fields:
        return None
    # /apis/GROUP/VERSION/NAMESPACE/KIND/NAME, a shorter form of Istio's.
    _, _, config = fields["config"].string_value.partition("/apis/")
    group, _, namespace, kind, name = config.split("/")
    return FieldRef(Ref(f"{group}/{kind}", namespace, name), fields["path"].string_value)


def _act(resources: DecodedResources, nested: NestedRoute, outcome: Outcome) -> Outcome:
    route = nested.route
    fault = fault_outcome(route)
    action = _filter_reply(resources, nested, outcome.request) or _route_action(resources, nested, outcome.request)
    return msgspec.structs.replace(
        outcome,
        route=route.name,
        origin=origin(route),
        filters=tuple(sorted(route.typed_per_filter_config)),
        fault=fault,
        action=action,
        status=_status(action),
    )


def _filter_reply(resources: DecodedResources, nested: NestedRoute, request: Request) -> Reply | None:
    """Return the reply of a filter of the route, which runs before the route's own action."""
    reply = abort_reply(fault_outcome(nested.route), response_edits(nested.levels))
    if reply is not None and nested.route.WhichOneof("action") == "route":
        targets = forward(resources, nested, request).targets
        edits = dict.fromkeys(target.response_edits for target in targets)
        reply = msgspec.structs.replace(reply, target_edits=tuple(edits))
    return reply or preflight_reply(nested.route, request)


def _route_action(resources: DecodedResources, nested: NestedRoute, request: Request) -> Forwarded | Reply:
    route, kind = nested.route, nested.route.WhichOneof("action")
    if kind == "redirect":
        url = location(route.redirect, route.match, request)
        return Reply(CODES[route.redirect.response_code], url, response_edits=response_edits(nested.levels))
    if kind == "direct_response":
        body = route.direct_response.body.inline_bytes
        return Reply(route.direct_response.status, body=body, response_edits=response_edits(nested.levels))
    return forward(resources, nested, request)


def _status(action: Forwarded | Reply) -> int:
    if isinstance(action, Reply):
        return action.status
    return action.targets[0].status if all(target.problem for target in action.targets) else 0
