"""Objects and what is known about them: findings, generations, statuses."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from mirrorplane.api.finding import Finding
from mirrorplane.api.meta import AnyObject, Ref
from mirrorplane.controlplane.engine.catalogue import catalogue
from mirrorplane.controlplane.query.mirrors import MirrorRow
from mirrorplane.translators.istio.analyzer_codes import code_of


class FindingRow(msgspec.Struct, frozen=True):
    """A finding. `object` is empty when it is about a file only; `code` is istioctl's (IST0101), if it has one."""

    severity: str
    reason: str
    code: str
    object: str
    path: str
    message: str
    fix: str
    file: str
    line: int


class ObjectRow(msgspec.Struct, frozen=True):
    """An object of the snapshot. `kind` includes the group: `networking.istio.io/VirtualService`."""

    object: str
    kind: str
    generation: int


class StatusMetadata(msgspec.Struct, frozen=True, omit_defaults=True):
    """The part of an object's metadata that identifies it."""

    name: str
    namespace: str = ""
    generation: int = 0


class StatusRow(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """An object with its status and without its spec, in the shape of `kubectl get -o json`, and its mirrors."""

    api_version: str
    kind: str
    metadata: StatusMetadata
    status: Mapping[str, Any]
    mirrors: Sequence[MirrorRow] = ()


def finding_row(finding: Finding) -> FindingRow:
    """Return the row of a finding."""
    return FindingRow(
        severity=finding.severity.value,
        reason=finding.reason,
        code=code_of(finding),
        object=str(finding.about) if finding.about.kind else "",
        path=finding.path,
        message=finding.message,
        fix=finding.fix,
        file=finding.file,
        line=finding.line,
    )


def object_rows(objects: Iterable[AnyObject]) -> list[ObjectRow]:
    """Return a row for each object, ordered by Ref."""
    return [ObjectRow(str(obj.ref), obj.ref.kind, obj.generation) for obj in sorted(objects, key=lambda obj: obj.ref)]


def status_row(
    ref: Ref, obj: AnyObject | None, status: Mapping[str, Any], mirrors: Sequence[MirrorRow] = ()
) -> StatusRow:
    """Return the row of an object, its status and its mirrors. `obj` is None for one that was rejected."""
    kind = next(kind for kind in catalogue().kinds if kind.key == ref.kind)
    metadata = StatusMetadata(ref.name, ref.namespace, obj.generation if obj else 0)
    return StatusRow(f"{kind.group}/{kind.versions[0]}", kind.name, metadata, status, tuple(mirrors))
