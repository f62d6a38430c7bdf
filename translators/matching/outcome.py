"""A request and the resources of a proxy -> what becomes of the request."""

from http import HTTPStatus

import msgspec

from mirrorplane.api.meta import FieldRef, Ref
from mirrorplane.api.tracing import Forwarded, Outcome, Reply, Request, SkippedRoute
from mirrorplane.translators import envoy
from mirrorplane.translators.matching.cors import preflight
from mirrorplane.translators.matching.decoded import Decoded
from mirrorplane.translators.matching.domains import virtual_host
from mirrorplane.translators.matching.faults import abort, failing
from mirrorplane.translators.matching.fields import fits, fraction, header_problem, query_problem, wants
from mirrorplane.translators.matching.forwarding import Place, sending
from mirrorplane.translators.matching.headers import response_edits
from mirrorplane.translators.matching.listeners import reached
from mirrorplane.translators.matching.path_normalization import formed, scheme_of
from mirrorplane.translators.matching.paths import path_problem
from mirrorplane.translators.matching.redirects import CODES, location


def answer(known: Decoded, request: Request) -> Outcome:
    """Return what a proxy that has these resources does with a request."""
    at = reached(known, request)
    if at is None:
        return Outcome(request)
    found = Outcome(request, listener=at.listener, filter_chain=at.chain, l4_clusters=at.shares)
    if at.shares or (request.tls and not at.terminates):
        return found
    path = formed(request.path, at.paths)
    if path is None:
        return msgspec.structs.replace(found, status=HTTPStatus.BAD_REQUEST.value)
    arrived = msgspec.structs.replace(request, path=path, scheme="https" if request.tls else scheme_of(request))
    found = msgspec.structs.replace(found, request=arrived)
    if at.routes is None:
        return msgspec.structs.replace(found, status=HTTPStatus.NOT_FOUND.value)
    return _routed(known, at.routes, found)


def _routed(known: Decoded, said: envoy.RouteConfiguration, found: Outcome) -> Outcome:
    found = msgspec.structs.replace(found, route_configuration=said.name, status=HTTPStatus.NOT_FOUND.value)
    host = virtual_host(said, found.request.authority)
    if host is None:
        return found
    if host[0].require_tls == envoy.VirtualHost.ALL and found.request.scheme != "https":
        secure = f"https://{found.request.authority}{found.request.path}"
        moved = Reply(HTTPStatus.MOVED_PERMANENTLY.value, secure)
        return msgspec.structs.replace(_in_host(found, *host, []), action=moved, status=moved.status)
    passed: list[SkippedRoute] = []
    for route in host[0].routes:
        why = match_problem(route.match, found.request)
        if not why:
            later = len(host[0].routes) - len(passed) - 1
            found = msgspec.structs.replace(
                _in_host(found, *host, passed), remaining_routes=later, **_chance(route, found.request)
            )
            return _done(known, Place(route, host[0], said), found)
        passed.append(SkippedRoute(route.name, why, origin(route)))
    return _in_host(found, *host, passed)


def _chance(route: envoy.Route, request: Request) -> dict[str, int]:
    """Return of how many requests a route is for how many, where that is left open."""
    if request.random_value is not None or not route.match.HasField("runtime_fraction"):
        return {}
    numerator, denominator = fraction(route.match.runtime_fraction.default_value)
    return {"numerator": numerator, "denominator": denominator}


def _in_host(found: Outcome, host: envoy.VirtualHost, domain: str, passed: list[SkippedRoute]) -> Outcome:
    return msgspec.structs.replace(found, virtual_host=host.name, domain=domain, skipped=tuple(passed))


def match_problem(said: envoy.RouteMatch, request: Request) -> str:
    """Say why a match does not hold, by the first of its parts that fails, or "". With no dice, fractions hold."""
    if said.HasField("runtime_fraction") and request.random_value is not None:
        numerator, denominator = fraction(said.runtime_fraction.default_value)
        if request.random_value % denominator >= numerator:
            return f"the request is not among the {numerator} of {denominator} that are chosen by chance"
    meant = (_meant(one, request) for one in said.filter_state)
    problem = next(filter(None, (path_problem(said, request.path), *meant)), "")
    problems = (header_problem(one, request) for one in said.headers)
    asked = (query_problem(one, request.path) for one in said.query_parameters)
    return problem or next(filter(None, problems), "") or next(filter(None, asked), "")


def _meant(said: envoy.FilterStateMatcher, request: Request) -> str:
    """Say why a route is not for those who dialled an address; it is the only thing that routes ask connections for."""
    wanted = said.string_match
    return "" if fits(wanted, request.address) else f"the address dialled is {request.address!r} ({wants(wanted)})"


def origin(route: envoy.Route) -> FieldRef | None:
    """Return what a route was made from, as its metadata says; None for the routes of services without rules."""
    said = route.metadata.filter_metadata["istio"].fields if "istio" in route.metadata.filter_metadata else {}
    if "config" not in said:
        return None
    _, _, rest = said["config"].string_value.partition("/apis/")
    group, _, namespace, kind, name = rest.split("/")
    return FieldRef(Ref(f"{group}/{kind}", namespace, name), said["path"].string_value)


def _done(known: Decoded, place: Place, found: Outcome) -> Outcome:
    route, fails = place.route, failing(place.route)
    kind = route.WhichOneof("action")
    action: Forwarded | Reply
    answered = abort(fails, response_edits(place.levels))
    if answered is not None and kind == "route":
        ways = dict.fromkeys(to.response_edits for to in sending(known, place, found.request).targets)
        answered = msgspec.structs.replace(answered, target_edits=tuple(ways))
    answered = answered or preflight(route, found.request)
    if answered is not None:
        action = answered
    elif kind == "redirect":
        where = location(route.redirect, route.match, found.request)
        action = Reply(CODES[route.redirect.response_code], where, response_edits=response_edits(place.levels))
    elif kind == "direct_response":
        said = route.direct_response
        action = Reply(said.status, body=said.body.inline_bytes, response_edits=response_edits(place.levels))
    else:
        action = sending(known, place, found.request)
    return msgspec.structs.replace(
        found,
        route=route.name,
        origin=origin(route),
        filters=tuple(sorted(route.typed_per_filter_config)),
        fault=fails,
        action=action,
        status=_status(action),
    )


def _status(action: Forwarded | Reply) -> int:
    if isinstance(action, Reply):
        return action.status
    return action.targets[0].status if all(to.problem for to in action.targets) else 0
