"""An explanation as lines of text: a title and a text, or a detail of the line above."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus

from mirrorplane.api.actions import Pairs
from mirrorplane.api.finding import Finding
from mirrorplane.api.meta import FieldRef
from mirrorplane.api.mirrors import Guards
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
from mirrorplane.api.units import duration_text, size_text
from mirrorplane.controlplane.findings.format import one_line
from mirrorplane.controlplane.sources.source import Location
from mirrorplane.translators.matching.forwarding import mirror_authority

_TITLE_WIDTH = 14
_PASSTHROUGH_HOSTS = ("allow_any", "block_all")
"""The virtual hosts (Istio's names) of requests whose host is no service."""
_CAUSES = frozenset(
    {"request", "datagrams", "listener", "virtual host", "route", "filters", "not matched", "not evaluated"}
)
"""The titles of lines about why something happens to a request."""
_CREDENTIALS = ("authorization", "cookie", "x-forwarded-client-cert")
"""Headers that a copy carries to whatever it is sent to, and that its reader may not expect there."""


def explanation_lines(
    outcome: Outcome, locations: Mapping[FieldRef, Location], findings: tuple[Finding, ...]
) -> list[str]:
    """Return the lines, without control characters."""
    lines = _Lines(outcome, locations)
    return [one_line(line) for line in (*lines.all(), *map(_finding_line, findings))]


def effect_lines(outcome: Outcome) -> Iterator[str]:
    """Yield what becomes of a request, and not by which listener, host and rule: what a client could notice."""
    if not outcome.listener:
        yield _line("answer", "none: the connection fails")
    elif outcome.action is None and outcome.status:
        yield _line("answer", str(outcome.status))
    title = ""
    for line in _Lines(outcome, {}).all():
        title = line[:_TITLE_WIDTH].strip() or title
        if title not in _CAUSES:
            yield one_line(_line(title, line[_TITLE_WIDTH:].strip()))


def request_line(request: Request) -> str:
    """Return a request as the arguments of `mirrorplane explain`."""
    has_port = request.authority.rpartition(":")[2].isdigit() or not request.port
    authority = request.authority if has_port else f"{request.authority}:{request.port}"
    headers = "".join(f" -H '{name}: {value}'" for name, value in request.headers)
    scheme = "https" if request.tls else "http"
    proxied = "" if request.port else " (by the HTTP proxy)"
    return one_line(f"{request.method} {scheme}://{authority}{request.path}{headers}{proxied}")


class _Lines:
    def __init__(self, outcome: Outcome, locations: Mapping[FieldRef, Location]) -> None:
        self._outcome, self._locations = outcome, locations

    def all(self) -> Iterator[str]:
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
            yield from self._hint_lines()
            return
        chain = f" ({outcome.filter_chain})" if outcome.filter_chain else ""
        yield _line("listener", f"{outcome.listener}{'' if request.port else ', the HTTP proxy'}{chain}")
        if outcome.l4_clusters:
            yield from self._hint_lines()
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
        yield from self._hint_lines()
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

    def _hint_lines(self) -> Iterator[str]:
        if self._outcome.hint:
            yield _detail(self._outcome.hint)

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
        yield from _copy_lines(mirror, action.targets)
    yield _line("timeout", f"{action.timeout_ms} ms" if action.timeout_ms else "none")
    yield _line("retries", f"{action.retries}, on {action.retry_on}" if action.retries else "none")


def _change_lines(target: Target, request: Request) -> Iterator[str]:
    if (target.path, target.authority) != (request.path, request.authority):
        yield _detail(f"rewritten: {target.path}, Host {target.authority}")
    yield from _edit_lines(target.request_edits, "request")
    yield from _edit_lines(target.response_edits, "response")


def _edit_lines(edits: tuple[HeaderEdit, ...], message: str) -> Iterator[str]:
    for edit in edits:
        for verb, pairs in (("set", (*edit.set, *edit.set_present)), ("added", (*edit.add, *edit.add_absent))):
            if pairs:
                yield _detail(f"{verb} on the {message}: {_pairs(pairs)}")
        if edit.remove:
            yield _detail(f"removed from the {message}: {', '.join(edit.remove)}")


def _mirror(mirror: MirrorOutcome, targets: tuple[Target, ...]) -> str:
    fires = {True: ", including this one", False: ", but not this one", None: ""}[mirror.fires]
    share = f"{_percent(mirror.numerator, mirror.denominator)} of the requests{fires}"
    # With several targets a copy may have several Hosts: it is made of the request that was rewritten for its target.
    hosts = ", ".join(dict.fromkeys(mirror_authority(mirror, target) for target in targets))
    problem = f"; no copy arrives: {mirror.problem}" if mirror.problem else ""
    return f"{_destination(mirror)}: {share}, Host {hosts}, through the guarded cluster {mirror.cluster}{problem}"


def _copy_lines(mirror: MirrorOutcome, targets: tuple[Target, ...]) -> Iterator[str]:
    """Yield what limits a copy, what it carries, and what is not done for it."""
    if mirror.problem:
        return
    if mirror.guards is not None:
        yield _detail(guards_text(mirror.guards))
    yield from _edit_lines((mirror.edits,), "copy")
    changed = {*mirror.edits.remove, *(name for name, _ in mirror.edits.set)}
    removed = [{name for edit in target.request_edits for name in edit.remove} for target in targets]
    changed |= set.intersection(*removed)  # a copy is made of what is sent to any of the targets
    credentials = [name for name in _CREDENTIALS if name not in changed]
    carried = f", credentials too ({', '.join(credentials)})" if credentials else ""
    yield _detail(f"the copy has all headers of what is sent{carried}, and x-envoy-internal: true from Envoy")
    yield _detail("not done for the copy: retries, consistent hashing; its answer is discarded")


def guards_text(guards: Guards) -> str:
    """Return the limits of a copy, all of them, and what becomes of what exceeds them."""
    limits = (
        f"bodies to {size_text(guards.max_body_bytes)}",
        f"{guards.max_requests} copies in flight",
        f"{duration_text(guards.deadline_ms)} for a copy",
        f"{duration_text(guards.connect_timeout_ms)} to connect",
    )
    return f"guards: {', '.join(limits)}; what exceeds them is dropped or cut off, and the request is not affected"


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
    yield from _edit_lines(reply.response_edits, "response")


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
