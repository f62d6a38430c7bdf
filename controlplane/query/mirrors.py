"""The mirrors of an object: where copies go, how many, and why none arrive."""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from mirrorplane.api.actions import Destination
from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.meta import Ref
from mirrorplane.api.mirrors import Mirror
from mirrorplane.api.units import MILLION
from mirrorplane.api.view import View

OK = "OK"


class MirrorRow(msgspec.Struct, frozen=True):
    """One mirror. `path` is its field in the object, `percent` the share of requests that are copied.

    `target` is `host:port` with the subset after a space; without a port, copies go to the port that was called. It is
    "" for a mirror that could not be resolved. `state` is OK, or the code of the finding that `message` is of.
    """

    path: str
    target: str
    percent: float
    state: str = OK
    message: str = ""


def mirror_rows(view: View, ref: Ref, findings: Sequence[Finding]) -> list[MirrorRow]:
    """Return the mirrors that an object declares, given the findings about it, by field."""
    rows = dict.fromkeys(_row(mirror, findings) for mirror in _declared(view, ref))
    paths = tuple(row.path for row in rows)
    unresolved = (finding for finding in findings if _drops_mirror(finding) and not finding.path.startswith(paths))
    rows |= dict.fromkeys(MirrorRow(f.path, "", 0.0, f.reason, f.message) for f in unresolved)
    return sorted(rows, key=lambda row: row.path)


def _declared(view: View, ref: Ref) -> Iterator[Mirror]:
    lowered = view.lowered(ref)
    for table in lowered.tables:
        yield from (mirror for route in table.routes for mirror in route.mirrors if mirror.ref == ref)
    for attachment in lowered.attachments:
        yield from attachment.effect.mirrors


def _row(mirror: Mirror, findings: Iterable[Finding]) -> MirrorRow:
    path = mirror.destination.path
    about = [finding for finding in findings if finding.path == path or finding.path.startswith(f"{path}.")]
    worst = min(about, key=lambda finding: finding.severity is not Severity.ERROR, default=None)
    state, message = (worst.reason, worst.message) if worst else (OK, "")
    return MirrorRow(path, _target(mirror.destination), 100 * mirror.fraction / MILLION, state, message)


def _target(destination: Destination) -> str:
    port = f":{destination.port}" if destination.port else ""
    return f"{destination.host}{port}{f' {destination.subset}' if destination.subset else ''}"


def _drops_mirror(finding: Finding) -> bool:
    """Tell whether a finding is about a mirror that no route has: its reference is invalid or not permitted."""
    return finding.severity is Severity.ERROR and "mirror" in finding.path.lower()
