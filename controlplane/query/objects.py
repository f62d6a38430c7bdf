"""Objects and what is known about them: findings, generations, statuses."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from mirrorplane.api.finding import Finding
from mirrorplane.api.meta import AnyObject
from mirrorplane.controlplane.engine.catalogue import catalogue
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


class StatusRow(msgspec.Struct, frozen=True, rename="camel"):
    """An object with its status and without its spec, in the shape of `kubectl get -o json`."""

    api_version: str
    kind: str
    metadata: StatusMetadata
    status: Mapping[str, Any]


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


def status_row(obj: AnyObject, status: Mapping[str, Any]) -> StatusRow:
    """Return the row of an object and its status."""
    kind = next(kind for kind in catalogue().kinds if kind.key == obj.ref.kind)
    metadata = StatusMetadata(obj.ref.name, obj.ref.namespace, obj.generation)
    return StatusRow(f"{kind.group}/{kind.versions[0]}", kind.name, metadata, status)
