"""Status conditions of Gateway API's objects, in a short form for comparisons."""

from collections.abc import Mapping

from mirrorplane.controlplane.status.conditions import Plain
from tests.builders import plane_of

NOW = "2026-01-01T00:00:00Z"
ACCEPTED = {"Accepted": "Accepted", "ResolvedRefs": "ResolvedRefs"}
Conditions = Mapping[str, str]


async def statuses(*texts: str) -> dict[str, Plain]:
    """The statuses of all objects, by `Kind name`, as they are without proxies."""
    plane = await plane_of("---\n".join(texts))
    plane.statuses.refresh(plane.engine.view, plane.snapshot, None, NOW)
    return {f"{ref.kind.rpartition('/')[2]} {ref.name}": status for ref, status in plane.statuses.statuses()}


def brief(spec: Plain) -> dict[str, str]:
    """Conditions as `type: reason`, with `!` before the reason where the status is False and `?` where Unknown."""
    marks = {"True": "", "False": "!", "Unknown": "?"}
    return {c["type"]: marks[c["status"]] + c["reason"] for c in spec["conditions"]}


def refused(reason: str) -> Conditions:
    return {**ACCEPTED, "Accepted": f"!{reason}"}


def unresolved(reason: str) -> Conditions:
    return {**ACCEPTED, "ResolvedRefs": f"!{reason}"}
