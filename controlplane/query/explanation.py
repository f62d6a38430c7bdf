"""An Outcome in plain words, and as plain values with the places in files."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec

from mirrorplane.api.actions import Pairs
from mirrorplane.api.meta import FieldRef
from mirrorplane.api.proxy import REDIRECT, Proxy
from mirrorplane.api.tracing import (
    FaultOutcome,
    Forwarded,
    HeaderEdit,
    MirrorOutcome,
    Outcome,
    Reply,
    Request,
    Target,
    WeightedCluster,
)
from mirrorplane.controlplane.findings.format import one_line
from mirrorplane.controlplane.sources.source import Locate
from mirrorplane.translators.matching.forwarding import mirror_authority
from mirrorplane.translators.matching.original_dst import dialled_address
from mirrorplane.translators.matching.outcome import trace_request
from mirrorplane.translators.scopes import criteria, scope_of

if TYPE_CHECKING:
    from mirrorplane.controlplane.plane import Plane
    from mirrorplane.translators.matching.decoded import DecodedResources

_WIDTH = 14
_NO_SERVICE = ("allow_any", "block_all")


def explanation_lines(found: Outcome, locate: Locate) -> list[str]:
    """Return what becomes of a request, a line for each thing there is to know."""
    return [one_line(line) for line in _Words(found, locate).lines()]


def explanation_values(found: Outcome, locate: Locate) -> Any:
    """Return the outcome as plain values; origins have `file` and `line` where they are known."""
    values = msgspec.to_builtins(found)
    for said, origin in (
        (values, found.origin),
        *zip(values["skipped"], (p.origin for p in found.skipped), strict=True),
    ):
        place = locate(origin.about, origin.path) if origin else None
        if origin and place:
            said["origin"] |= {"file": place[0], "line": place[1]}
    return values


def trace(plane: "Plane", proxy: Proxy, resources: "DecodedResources", request: Request, dialled_host: str) -> Outcome:
    """Return what becomes of a request at a proxy, given the resources that it is served.

    `dialled_host` is the host that the client connects to, whatever its Host header says: with interception it decides
    which listener gets the connection.
    """
    if proxy.interception != REDIRECT:
        return trace_request(resources, request)
    view = plane.engine.view
    dialled = dialled_address(view, scope_of(proxy, view.memo(criteria)), dialled_host, request.port)
    return trace_request(resources, msgspec.structs.replace(request, address=dialled))


class _Words:
    def __init__(self, found: Outcome, locate: Locate) -> None:
        self._found, self._locate = found, locate

    def lines(self) -> Iterator[str]:
        found = self._found
        if found.request.udp:
            yield _row("datagrams", f"to {found.request.authority}")
        else:
            yield _row("request", f"{found.request.method} {found.request.path}, Host {found.request.authority}")
        if not found.listener:
            port = f"on port {found.request.port}" if found.request.port else "as HTTP proxy"
            what = "datagrams are lost" if found.request.udp else "the connection fails"
            yield _row("listener", f"none: nothing takes this {port}, and {what}")
            return
        chain = f" ({found.filter_chain})" if found.filter_chain else ""
        yield _row("listener", f"{found.listener}{'' if found.request.port else ', the HTTP proxy'}{chain}")
        if found.l4_clusters:
            yield from _passed_on(found.l4_clusters, datagrams=found.request.udp)
        elif found.request.tls and not (found.route_configuration or found.status):
            yield _row("answer", "none: TLS on a port that takes plain HTTP fails")
        else:
            yield from self._routed()

    def _routed(self) -> Iterator[str]:
        found = self._found
        if found.status == HTTPStatus.BAD_REQUEST and not found.route_configuration:
            yield _row("answer", "400: the path is invalid")
            return
        yield _row("virtual host", self._virtual_host())
        if found.action is None:
            yield _row("route", f"none that matches: Envoy answers {found.status}")
        elif found.virtual_host not in _NO_SERVICE:
            yield _row("route", self._route())
        if found.numerator < found.denominator:
            share = _percent(found.numerator, found.denominator)
            yield _row("", f"  only for {share} of the requests: the others are for the next route that matches")
        if found.fault is not None:
            yield from _failing(found.fault)
        if isinstance(found.action, Forwarded):
            yield from _sent(found.action, found.request)
        elif isinstance(found.action, Reply):
            yield from _answered(found.action)
        if found.filters:
            yield _row("filters", f"this route configures {', '.join(found.filters)}")
        yield from self._passed()

    def _virtual_host(self) -> str:
        found = self._found
        if not found.virtual_host:
            return f"none has the name {found.request.authority}"
        if found.virtual_host in _NO_SERVICE:
            return f"{found.virtual_host}: no service or rule here has the name {found.request.authority}"
        return f"{found.virtual_host}, by its name {found.domain} (route configuration {found.route_configuration})"

    def _route(self) -> str:
        found = self._found
        if found.origin is None and isinstance(found.action, Reply):
            return "none is asked: here plain HTTP is sent to https"
        name = f"{found.route}: " if found.route else ""
        return name + (self._from(found.origin) if found.origin else "to the service itself: no rules are about it")

    def _from(self, origin: FieldRef) -> str:
        place = self._locate(origin.about, origin.path)
        where = f" ({place[0]}:{place[1]})" if place else ""
        return f"{origin.path} of {origin.about}{where}"

    def _passed(self) -> Iterator[str]:
        for i, passed in enumerate(self._found.skipped):
            whose = self._from(passed.origin) if passed.origin else passed.route
            yield _row("" if i else "not matched", f"{whose}: {passed.reason}")
        if self._found.remaining_routes:
            yield _row("not asked", f"{self._found.remaining_routes} more, since the first that matches holds")


def _passed_on(shares: tuple[WeightedCluster, ...], *, datagrams: bool) -> Iterator[str]:
    what, lost = ("sessions", "dropped") if datagrams else ("connections", "closed")
    for i, share in enumerate(shares):
        part = f", {_percent(share.weight, share.total)} of the {what}" if share.total != share.weight else ""
        yield _row("" if i else "sent to", f"{share.cluster}{part}, as bytes: nothing is seen of requests, or copied")
        if share.problem:
            yield _row("", f"  they are {lost}: {share.problem}")


def _sent(said: Forwarded, request: Request) -> Iterator[str]:
    for i, to in enumerate(said.targets):
        share = f": {_percent(to.weight, to.total)} of the requests" if to.total != to.weight else ""
        yield _row("" if i else "sent to", f"{_place(to)}{share}")
        yield from _changes(to, request)
        if to.problem:
            yield _row("", f"  Envoy answers {to.status}: {to.problem}")
    for i, copy in enumerate(said.mirrors):
        yield _row("" if i else "copied to", _copied(copy, said.targets))
    limit = f"{said.timeout_ms} ms" if said.timeout_ms else "none"
    yield _row("timeout", limit)
    yield _row("retries", f"{said.retries}, on {said.retry_on}" if said.retries else "none")


def _changes(to: Target, request: Request) -> Iterator[str]:
    if (to.path, to.authority) != (request.path, request.authority):
        yield _row("", f"  rewritten: {to.path}, Host {to.authority}")
    if to.headers != request.headers:
        yield _row("", f"  with the headers {_pairs(to.headers) or '(none)'}")
    yield from _of_answer(to.response_edits)


def _of_answer(edits: tuple[HeaderEdit, ...]) -> Iterator[str]:
    for edit in edits:
        for verb, pairs in (("set", (*edit.set, *edit.set_present)), ("added", (*edit.add, *edit.add_absent))):
            if pairs:
                yield _row("", f"  {verb} on the answer: {_pairs(pairs)}")
        if edit.remove:
            yield _row("", f"  removed from the answer: {', '.join(edit.remove)}")


def _copied(copy: MirrorOutcome, targets: tuple[Target, ...]) -> str:
    fires = {True: ", this one is", False: ", this one is not", None: ""}[copy.fires]
    hosts = ", ".join(dict.fromkeys(mirror_authority(copy, to) for to in targets))
    said = f"{_place(copy)}: {_percent(copy.numerator, copy.denominator)} of the requests{fires}, Host {hosts}"
    guarded = f"through the guarded cluster {copy.cluster}"
    return f"{said}, {guarded}" + (f"; nothing arrives: {copy.problem}" if copy.problem else "")


def _failing(said: FaultOutcome) -> Iterator[str]:
    if said.delay_numerator:
        share = _percent(said.delay_numerator, said.delay_denominator)
        yield _row("fault", f"{share} of the requests are delayed by {said.delay_ms} ms")
    if said.numerator:
        what = f"gRPC status {said.grpc_status}" if said.grpc_status else str(said.status)
        share = _percent(said.numerator, said.denominator)
        yield _row("fault", f"{share} of the requests are answered {what} on purpose, and not copied")


def _answered(said: Reply) -> Iterator[str]:
    where = f", Location {said.location}" if said.location else ""
    body = f", with a body of {len(said.body)} bytes" if said.body else ""
    yield _row("answer", f"{said.status} by the proxy itself{where}{body}; nothing is sent on or copied")
    yield from _of_answer(said.response_edits)


def _place(to: Target | MirrorOutcome) -> str:
    if not to.host:
        return to.cluster
    return f"{to.host}:{to.port}" + (f", subset {to.subset}" if to.subset else "")


def _pairs(pairs: Pairs) -> str:
    return ", ".join(f"{name}: {value}" for name, value in pairs)


def _percent(part: int, of: int) -> str:
    return f"{min(100 * part / of, 100):.7g} %"


def _row(title: str, text: str) -> str:
    return f"{title:<{_WIDTH}}{text}"
