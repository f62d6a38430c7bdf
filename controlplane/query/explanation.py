"""What a proxy does with a request: the outcome, where its objects are written, and the findings about it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from mirrorplane.api.finding import Finding
from mirrorplane.api.meta import FieldRef
from mirrorplane.api.proxy import REDIRECT, Proxy
from mirrorplane.api.tracing import Forwarded, MirrorOutcome, Outcome, Request
from mirrorplane.api.view import View
from mirrorplane.controlplane.query.explanation_format import explanation_lines
from mirrorplane.controlplane.query.objects import finding_row
from mirrorplane.controlplane.query.related_findings import related_findings
from mirrorplane.controlplane.query.requests import RequestText, parse_request, requested_port
from mirrorplane.controlplane.sources.source import Locate, Location
from mirrorplane.translators.matching.decoded import DecodedResources
from mirrorplane.translators.matching.original_dst import original_dst_address, resolve_service
from mirrorplane.translators.matching.outcome import trace_request
from mirrorplane.translators.names import parse_cluster
from mirrorplane.translators.parts.mirrors import find_guards
from mirrorplane.translators.scopes import criteria, scope_of

if TYPE_CHECKING:
    from mirrorplane.controlplane.plane import Plane


class ExplanationView(msgspec.Struct, frozen=True):
    """An explanation for other programs: the outcome as plain values, and as lines of text."""

    outcome: Mapping[str, Any]
    lines: Sequence[str]


class Explanation(msgspec.Struct, frozen=True):
    """An outcome, the locations of the fields that it names, as far as they are known, and the findings about it."""

    outcome: Outcome
    locations: Mapping[FieldRef, Location]
    findings: tuple[Finding, ...] = ()

    def lines(self) -> list[str]:
        """Return lines for people: a title and a text, or a detail of the line above."""
        return explanation_lines(self.outcome, self.locations, self.findings)

    def view(self) -> ExplanationView:
        """Return the explanation for other programs."""
        return ExplanationView(self.values(), self.lines())

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


def explain_request(
    plane: "Plane", proxy: Proxy, resources: DecodedResources, text: RequestText, locate: Locate
) -> Explanation:
    """Explain a request to a proxy that is served these resources. Raises RequestError."""
    outcome = trace(plane, proxy, resources, parse_request(resources, text), text.dialled_host)
    view = plane.engine.view
    hint = _port_hint(view, proxy, text.dialled_host, requested_port(text))
    outcome = msgspec.structs.replace(_with_guards(view, outcome), hint=hint)
    return explain(outcome, locate, related_findings(plane, proxy, outcome))


def trace(plane: "Plane", proxy: Proxy, resources: DecodedResources, request: Request, dialled_host: str) -> Outcome:
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


def _with_guards(view: View, outcome: Outcome) -> Outcome:
    """Add the limits that the model has for each mirror's cluster."""
    action = outcome.action
    if not isinstance(action, Forwarded) or not action.mirrors:
        return outcome
    mirrors = tuple(_guarded(view, mirror) for mirror in action.mirrors)
    return msgspec.structs.replace(outcome, action=msgspec.structs.replace(action, mirrors=mirrors))


def _guarded(view: View, mirror: MirrorOutcome) -> MirrorOutcome:
    name = parse_cluster(mirror.cluster)
    return msgspec.structs.replace(mirror, guards=find_guards(view, name.profile)) if name is not None else mirror


def _port_hint(view: View, proxy: Proxy, host: str, port: int) -> str:
    """Return on which ports a service listens that a client calls on another one, or ""."""
    service = resolve_service(view, scope_of(proxy, view.memo(criteria)), host)
    numbers = [p.number for p in service.ports] if service is not None else []
    if service is None or port in numbers:
        return ""
    return f"{service.host} listens on {' and '.join(map(str, numbers)) or 'no port'}, not {port}"
