"""Turns one manifest into an Object or Findings: owns which manifests are ours and what is said of those that fail.

Separate from the sources because it knows no file and no API server: they read, this understands. Nothing here raises
for what a user wrote, nor when a check of ours fails. A Finding about something with no identity is about
`Ref("", "", origin)`, where `origin` is what the source calls the place it came from: a file, as a rule.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final, TypeVar

import msgspec

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.meta import AnyObject, EmbeddedYaml, Kind, Object, Ref, Wire
from mirrorplane.controlplane.manifests.composer import YamlError
from mirrorplane.controlplane.manifests.documents import read_documents
from mirrorplane.controlplane.manifests.field_errors import explain
from mirrorplane.controlplane.manifests.head import Head, Metadata, misnamed, read_head, without_nulls
from mirrorplane.controlplane.manifests.lines import Lines
from mirrorplane.controlplane.manifests.unknown_fields import UnknownField, unknown_fields

Registry = Mapping[tuple[str, ...], Kind]
"""Every kind we read, by API group and kind name; one that is read of a single object, by `namespace/name` too."""

Accept = Callable[[AnyObject], Iterable[Finding]]
"""What else there is to say about a valid object, looked at alone. An ERROR refuses it, and so does an exception."""

NOT_A_MANIFEST: Final = "NotAManifest"
UNKNOWN_KIND: Final = "UnknownKind"
UNKNOWN_VERSION: Final = "UnknownVersion"
INVALID_FIELD: Final = "InvalidField"
UNKNOWN_FIELD: Final = "UnknownField"
INTERNAL_ERROR: Final = "InternalError"

MOST_UNKNOWN_FIELDS: Final = 20
"""So many unknown fields of one object are told one by one."""

BUILT_IN_GROUPS: Final = frozenset({"", "apps", "discovery.k8s.io"})
"""Kubernetes' own groups: we read their kinds in part, so a field we do not know is no news, nor is a kind."""

_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
"""The whole object once more, also a Secret's content: not kept."""

_HEAD_FIELDS: Final = frozenset({"apiVersion", "kind", "metadata"})
_FIELDS: Final = ("apiVersion", "kind", "metadata", "spec", "status")
_log = logging.getLogger(__name__)
T = TypeVar("T", bound=Wire)


class Decoded(msgspec.Struct, frozen=True, gc=False):
    """What one manifest came to: an object (`object`), a failure (`findings` say why), or none of our business.

    `ref` is None when it has no identity we could read. `ignored` is the kind's key when nobody here reads that kind.
    `inside` are the lines of a text that was read, and its place in the manifest.
    """

    ref: Ref | None = None
    object: AnyObject | None = None
    findings: tuple[Finding, ...] = ()
    ignored: str = ""
    inside: tuple[str, Lines] | None = None


def registry_of(kinds: Iterable[Kind]) -> Registry:
    """Return the kinds by group and name. Raises ValueError when two share both and are for the same objects."""
    found: dict[tuple[str, ...], Kind] = {}
    for kind in kinds:
        only = (f"{kind.embedded.namespace}/{kind.embedded.name}",) if kind.embedded else ()
        if found.setdefault((kind.group, kind.name, *only), kind) != kind:
            raise ValueError(f"two kinds are called {kind.key}")
    return found


def accept_all(_: AnyObject) -> Iterable[Finding]:
    """Accept every object."""
    return ()


def decode(manifest: Any, registry: Registry, origin: str = "", accept: Accept = accept_all) -> Decoded:
    """Return what one manifest (plain values, Lists already unfolded) comes to. Never raises, never edits it.

    The namespace of a namespaced kind defaults to "default". An Object is given only when the manifest is valid and
    accepted; findings beside it are warnings.
    """
    manifest = without_nulls(manifest)
    head = read_head(manifest)
    if isinstance(head, str):
        return Decoded(findings=(Finding(Ref("", "", origin), NOT_A_MANIFEST, head),))
    kind = _kind_of(head, registry)
    if kind is None:
        return _not_read(head, registry)
    namespace = (head.namespace or "default") if kind.namespaced else ""
    ref = Ref(kind.key, namespace, head.name)
    path, message = misnamed(manifest, head, kind)
    if message:
        about = ref if head.name else Ref("", "", origin)
        return Decoded(findings=(Finding(about, NOT_A_MANIFEST, message, path),))
    if head.version not in kind.versions:
        return Decoded(ref, findings=(_unserved(ref, head, kind),))
    decoded = _read(manifest, kind, ref) if kind.embedded is None else _read_text(manifest, kind, kind.embedded, ref)
    return _judged(decoded, decoded.object, accept) if decoded.object else decoded


def _judged(decoded: Decoded, obj: AnyObject, accept: Accept) -> Decoded:
    try:
        said = tuple(accept(obj))
    except Exception as error:
        _log.exception("the check of %s failed", obj.ref)
        message = f"Mirrorplane failed to check this: {type(error).__name__}: {error}"
        said = (Finding(obj.ref, INTERNAL_ERROR, message, fix="report it with the object"),)
    refused = any(finding.severity is Severity.ERROR for finding in said)
    return Decoded(decoded.ref, None if refused else obj, decoded.findings + said, inside=decoded.inside)


def _kind_of(head: Head, registry: Registry) -> Kind | None:
    only = f"{head.namespace or 'default'}/{head.name}"
    return registry.get((head.group, head.kind, only)) or registry.get((head.group, head.kind))


def _not_read(head: Head, registry: Registry) -> Decoded:
    ours = head.group not in BUILT_IN_GROUPS and any(group == head.group for group, *_ in registry)
    if not ours:
        return Decoded(ignored=head.key)
    about = Ref(head.key, head.namespace, head.name)
    message = f"kind {head.kind} of {head.group} is not read"
    return Decoded(ignored=head.key, findings=(Finding(about, UNKNOWN_KIND, message, "kind", Severity.WARNING),))


def _unserved(ref: Ref, head: Head, kind: Kind) -> Finding:
    served = ", ".join(f"{kind.group}/{version}" if kind.group else version for version in kind.versions)
    message = f"{kind.name} has no version {head.version!r}; versions served: {served}"
    return Finding(ref, UNKNOWN_VERSION, message, "apiVersion", fix=f"write one of {served}")


def _read(manifest: dict[str, Any], kind: Kind, ref: Ref) -> Decoded:
    if kind.whole_object:
        written, root = {key: value for key, value in manifest.items() if key not in _HEAD_FIELDS}, ""
    else:
        written, root = manifest.get("spec", {}), "spec"
    metadata = _convert(manifest.get("metadata"), Metadata, "metadata", ref)
    spec = _convert(written, kind.spec, root, ref)
    warnings = tuple(_told(_unknown(manifest, written, kind), ref)) if kind.group not in BUILT_IN_GROUPS else ()
    if isinstance(metadata, Finding) or isinstance(spec, Finding):
        failed = tuple(finding for finding in (metadata, spec) if isinstance(finding, Finding))
        return Decoded(ref, findings=failed + warnings)
    return Decoded(
        ref,
        Object(
            ref=ref,
            spec=spec,
            labels=metadata.labels,
            annotations={key: said for key, said in metadata.annotations.items() if key != _LAST_APPLIED},
            created=metadata.creation_timestamp,
            generation=metadata.generation,
        ),
        warnings,
    )


def _read_text(manifest: dict[str, Any], kind: Kind, text: EmbeddedYaml, ref: Ref) -> Decoded:
    """Read a kind that stands as YAML in a text of the manifest. A text that is missing says nothing."""
    fields = manifest.get(text.field, {})
    body = fields.get(text.key, "") if isinstance(fields, dict) else None
    if not isinstance(body, str):
        return Decoded(ref, findings=(Finding(ref, INVALID_FIELD, "must be a string that holds YAML", text.path),))
    try:
        documents = list(read_documents(body.encode()))
    except YamlError as error:
        message = f"the text is not YAML: {error.message}" + (f" (its line {error.line})" if error.line else "")
        return Decoded(ref, findings=(Finding(ref, INVALID_FIELD, message, text.path),))
    inside = (text.path, documents[0].lines) if documents else None
    written = without_nulls(documents[0].value) if documents else {}
    metadata = _convert(manifest.get("metadata"), Metadata, "metadata", ref)
    spec = _convert(written, kind.spec, text.path, ref)
    unknown = tuple(_told(unknown_fields(written, kind.spec, text.path), ref))
    if isinstance(metadata, Finding) or isinstance(spec, Finding):
        failed = tuple(finding for finding in (metadata, spec) if isinstance(finding, Finding))
        return Decoded(ref, findings=failed + unknown, inside=inside)
    obj = Object(ref, spec, created=metadata.creation_timestamp, generation=metadata.generation)
    return Decoded(ref, obj, unknown, inside=inside)


def _convert(value: Any, of: type[T], root: str, ref: Ref) -> T | Finding:
    try:
        return msgspec.convert(value, of)
    except msgspec.ValidationError as error:
        wrong = explain(error, value, of)
        return Finding(ref, INVALID_FIELD, wrong.message, _join(root, wrong.path), fix=wrong.fix)


def _told(unknown: Iterator[UnknownField], ref: Ref) -> Iterator[Finding]:
    for field in islice(unknown, MOST_UNKNOWN_FIELDS):
        fix = f"did you mean {field.meant}?" if field.meant else ""
        message = f"the field {field.name} is not known here and changes nothing"
        yield Finding(ref, UNKNOWN_FIELD, message, field.path, Severity.WARNING, fix)
    if first := next(unknown, None):
        left = 1 + sum(1 for _ in unknown)
        message = (
            f"fields that are not known here and change nothing, from this one on, and not told one by one: {left:,}"
        )
        yield Finding(ref, UNKNOWN_FIELD, message, first.path, Severity.WARNING)


def _unknown(manifest: dict[str, Any], written: dict[str, Any], kind: Kind) -> Iterator[UnknownField]:
    if not kind.whole_object:
        yield from (UnknownField(name, name, _FIELDS) for name in sorted(manifest.keys() - set(_FIELDS)))
    yield from unknown_fields(manifest["metadata"], Metadata, "metadata")
    for field in unknown_fields(written, kind.spec, "" if kind.whole_object else "spec"):
        if field.path != "status":
            yield field


def _join(root: str, path: str) -> str:
    return f"{root}.{path}" if root and path and not path.startswith("[") else f"{root}{path}"
