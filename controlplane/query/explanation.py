"""What a proxy does with a request: the outcome, where its objects are written, and both as lines of text."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec

from mirrorplane.api.actions import Pairs
from mirrorplane.api.finding import Finding
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
from mirrorplane.controlplane.query.objects import finding_row
from mirrorplane.controlplane.sources.source import Locate, Location
from mirrorplane.translators.matching.forwarding import mirror_authority
from mirrorplane.translators.matching.original_dst import original_dst_address
from mirrorplane.translators.matching.outcome import trace_request
from mirrorplane.translators.scopes import criteria, scope_of

if TYPE_CHECKING:
    from mirrorplane.controlplane.plane import Plane
    from mirrorplane.translators.matching.decoded import DecodedResources

_TITLE_WIDTH = 14
_PASSTHROUGH_HOSTS = ("allow_any", "block_all")
"""The virtual hosts (Istio's names) of requests whose host is no service."""


class Explanation(msgspec.Struct, frozen=True):
    """An outcome, the locations of the fields that it names, as far as they are known, and the findings about it."""

    outcome: Outcome
    locations: Mapping[FieldRef, Location]
    findings: tuple[Finding, ...] = ()

    def lines(self) -> list[str]:
        """Return lines for people: a title and a text, or a detail of the line above."""
        return [one_line(line) for line in _Lines(self).all()]

    def values(self) -> Any:
        """Return the outcome as plain values; origins have `file` and `line` where they are known.

        `findings` are rows as of /debug/findings.
        """
        values = msgspec.to_builtins(self.outcome)
        origins = (self.outcome.origin, *(skipped.origin for skipped in self.outcome.skipped))
        for holder, origin in zip((values, *values["skipped"]), origins, strict=True):
            location = self.locations.get(origin) if origin else None
            if location:
                holder["origin"] |= {"file": location.file, "line": location.line}
        return {**values, "findings": [msgspec.to_builtins(finding_row(finding)) for finding in self.findings]}


def trace(plane: "Plane", proxy: Proxy, resources: "DecodedResources", request: Request, dialled_host: str) -> Outcome:
    """Return what becomes of a request at a proxy, given the resources that it is served.

    `dialled_host` is the host that the client connects to, whatever its Host header says: with interception it decides
    which listener gets the connection.
    """
    if proxy.interception != REDIRECT:
        return trace_request(resources, request)
    view = plane.engine.view
    dialled = original_dst_address(view, scope_of(proxy, view.memo(criteria)), dialled_host, request.port)
    return trace_request(resources, msgspec.structs.replace(request, address=dialled))


def explain(outcome: Outcome, locate: Locate, findings: tuple[Finding, ...] = ()) -> Explanation:
    """Return an outcome with the locations of the fields that it names, and with findings about it."""
    origins = [outcome.origin, *(skipped.origin for skipped in outcome.skipped)]
    located = {origin: locate(origin.about, origin.path) for origin in origins if origin}
    return Explanation(outcome, {origin: location for origin, location in located.items() if location}, findings)


class _Lines:
    def __init__(self, explanation: Explanation) -> None:
        self._outcome, self._locations = explanation.outcome, explanation.locations
        self._findings = explanation.findings

    def all(self) -> Iterator[str]:
        yield from self._outcome_lines()
        yield from map(_finding_line, self._findings)

    def _outcome_lines(self) -> Iterator[str]:
        outcome, request = self._outcome, self._outcome.request
        if request.udp:
            yield _line("datagrams", f"to {request.authority}")
        else:
            yield _line("request", f"{request.method} {request.path}, Host {request.authority}")
        if not outcome.listener:
            where = (
                f"on port {request.port}"
                if request.port
                else "on the URL's port, and the proxy has no HTTP proxy listener"
            )
            effect = "datagrams are dropped" if request.udp else "the connection fails"
            yield _line("listener", f"none {where}: {effect}")
            return
        chain = f" ({outcome.filter_chain})" if outcome.filter_chain else ""
        yield _line("listener", f"{outcome.listener}{'' if request.port else ', the HTTP proxy'}{chain}")
        if outcome.l4_clusters:
            yield from _l4_lines(outcome.l4_clusters, udp=request.udp)
        elif request.tls and not (outcome.route_configuration or outcome.status):
            yield _line("answer", "none: the port expects plain HTTP, so the TLS handshake fails")
        else:
            yield from self._http_lines()

    def _http_lines(self) -> Iterator[str]:
        outcome = self._outcome
        if outcome.status == HTTPStatus.BAD_REQUEST and not outcome.route_configuration:
            yield _line("answer", "400: the path is invalid")
            return
        yield _line("virtual host", self._virtual_host())
        if outcome.action is None:
            yield _line("route", f"none matches: Envoy answers {outcome.status}")
        elif outcome.virtual_host not in _PASSTHROUGH_HOSTS:
            yield _line("route", self._route())
        if outcome.numerator < outcome.denominator:
            share = _percent(outcome.numerator, outcome.denominator)
            yield _detail(f"applies to {share} of the requests: the rest tries the next matching route")
        if outcome.fault is not None:
            yield from _fault_lines(outcome.fault)
        if isinstance(outcome.action, Forwarded):
            yield from _forward_lines(outcome.action, outcome.request)
        elif isinstance(outcome.action, Reply):
            yield from _reply_lines(outcome.action)
        if outcome.filters:
            yield _line("filters", f"configured by this route: {', '.join(outcome.filters)}")
        yield from self._skipped_lines()

    def _virtual_host(self) -> str:
        outcome = self._outcome
        if not outcome.virtual_host:
            return f"none for host {outcome.request.authority}"
        if outcome.virtual_host in _PASSTHROUGH_HOSTS:
            return f"{outcome.virtual_host}: no service or route has the host {outcome.request.authority}"
        return (
            f"{outcome.virtual_host}, by its domain {outcome.domain} "
            f"(route configuration {outcome.route_configuration})"
        )

    def _route(self) -> str:
        outcome = self._outcome
        if outcome.origin is None and isinstance(outcome.action, Reply):
            return "redirected to HTTPS by the server; no route applies"
        name = f"{outcome.route}: " if outcome.route else ""
        return name + (self._origin(outcome.origin) if outcome.origin else "the service itself; no route is attached")

    def _origin(self, origin: FieldRef) -> str:
        location = self._locations.get(origin)
        return f"{origin.path} of {origin.about}" + (f" ({location})" if location else "")

    def _skipped_lines(self) -> Iterator[str]:
        for i, skipped in enumerate(self._outcome.skipped):
            route = self._origin(skipped.origin) if skipped.origin else skipped.route
            yield _line("" if i else "not matched", f"{route}: {skipped.reason}")
        if self._outcome.remaining_routes:
            yield _line("not evaluated", f"{self._outcome.remaining_routes} more: the first matching route applies")


def _l4_lines(clusters: tuple[WeightedCluster, ...], *, udp: bool) -> Iterator[str]:
    what, effect = ("sessions", "dropped") if udp else ("connections", "closed")
    for i, cluster in enumerate(clusters):
        share = f", {_percent(cluster.weight, cluster.total)} of the {what}" if cluster.total != cluster.weight else ""
        yield _line("" if i else "sent to", f"{cluster.cluster}{share}, at L4: requests are not parsed, nor mirrored")
        if cluster.problem:
            yield _detail(f"{what} are {effect}: {cluster.problem}")


def _forward_lines(action: Forwarded, request: Request) -> Iterator[str]:
    for i, target in enumerate(action.targets):
        share = f": {_percent(target.weight, target.total)} of the requests" if target.total != target.weight else ""
        yield _line("" if i else "sent to", f"{_destination(target)}{share}")
        yield from _change_lines(target, request)
        if target.problem:
            yield _detail(f"Envoy answers {target.status}: {target.problem}")
    for i, mirror in enumerate(action.mirrors):
        yield _line("" if i else "copied to", _mirror(mirror, action.targets))
    yield _line("timeout", f"{action.timeout_ms} ms" if action.timeout_ms else "none")
    yield _line("retries", f"{action.retries}, on {action.retry_on}" if action.retries else "none")


def _change_lines(target: Target, request: Request) -> Iterator[str]:
    if (target.path, target.authority) != (request.path, request.authority):
        yield _detail(f"rewritten: {target.path}, Host {target.authority}")
    if target.headers != request.headers:
        yield _detail(f"with the headers {_pairs(target.headers) or '(none)'}")
    yield from _response_lines(target.response_edits)


def _response_lines(edits: tuple[HeaderEdit, ...]) -> Iterator[str]:
    for edit in edits:
        for verb, pairs in (("set", (*edit.set, *edit.set_present)), ("added", (*edit.add, *edit.add_absent))):
            if pairs:
                yield _detail(f"{verb} on the response: {_pairs(pairs)}")
        if edit.remove:
            yield _detail(f"removed from the response: {', '.join(edit.remove)}")


def _mirror(mirror: MirrorOutcome, targets: tuple[Target, ...]) -> str:
    fires = {True: ", including this one", False: ", but not this one", None: ""}[mirror.fires]
    share = f"{_percent(mirror.numerator, mirror.denominator)} of the requests{fires}"
    # With several targets a copy may have several Hosts: it is made of the request that was rewritten for its target.
    hosts = ", ".join(dict.fromkeys(mirror_authority(mirror, target) for target in targets))
    problem = f"; no copy arrives: {mirror.problem}" if mirror.problem else ""
    return f"{_destination(mirror)}: {share}, Host {hosts}, through the guarded cluster {mirror.cluster}{problem}"


def _fault_lines(fault: FaultOutcome) -> Iterator[str]:
    if fault.delay_numerator:
        share = _percent(fault.delay_numerator, fault.delay_denominator)
        yield _line("fault", f"{share} of the requests are delayed by {fault.delay_ms} ms")
    if fault.numerator:
        answer = f"gRPC status {fault.grpc_status}" if fault.grpc_status else str(fault.status)
        share = _percent(fault.numerator, fault.denominator)
        yield _line("fault", f"{share} of the requests are aborted with {answer}, and not mirrored")


def _reply_lines(reply: Reply) -> Iterator[str]:
    location = f", Location {reply.location}" if reply.location else ""
    body = f", with a body of {len(reply.body)} bytes" if reply.body else ""
    yield _line("answer", f"{reply.status} by the proxy itself{location}{body}; nothing is forwarded or mirrored")
    yield from _response_lines(reply.response_edits)


def _finding_line(finding: Finding) -> str:
    place = f" ({finding.file}:{finding.line})" if finding.line else ""
    where = f"{finding.path} of {finding.about}{place}"
    return _line(finding.severity.value, f"{finding.reason}, {where}: {finding.message}")


def _destination(target: Target | MirrorOutcome) -> str:
    if not target.host:
        return target.cluster
    return f"{target.host}:{target.port}" + (f", subset {target.subset}" if target.subset else "")


def _pairs(pairs: Pairs) -> str:
    return ", ".join(f"{name}: {value}" for name, value in pairs)


def _percent(numerator: int, denominator: int) -> str:
    return f"{min(100 * numerator / denominator, 100):.7g} %"


def _line(title: str, text: str) -> str:
    return f"{title:<{_TITLE_WIDTH}}{text}"


def _detail(text: str) -> str:
    return _line("", f"  {text}")
