"""Turns one manifest into an Object or Findings: owns which manifests are ours, and what is reported about bad ones.

Separate from the sources because it knows no file and no API server: they read, this understands. Nothing here raises
for what a user wrote, nor when a validation of ours fails. A Finding about a manifest without identity is about
`Ref("", "", origin)`, where `origin` is the source's name for the place it came from: a file, as a rule.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

import msgspec

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.meta import AnyObject, Kind, Object, OpenWire, Ref, Wire
from mirrorplane.controlplane.manifests.composer import YamlError
from mirrorplane.controlplane.manifests.documents import read_documents
from mirrorplane.controlplane.manifests.drafts import Draft, convert_tolerantly
from mirrorplane.controlplane.manifests.field_errors import FieldError, misspelt_kind
from mirrorplane.controlplane.manifests.head import Head, Metadata, name_error, read_head, without_nulls
from mirrorplane.controlplane.manifests.lines import Lines
from mirrorplane.controlplane.manifests.unknown_fields import UnknownField, fields_of, misspelt, unknown_fields

Registry = Mapping[tuple[str, ...], Kind]
"""Every kind we read, by API group and kind name; one that is read of a single object, by `namespace/name` too."""

Accept = Callable[[AnyObject], Iterable[Finding]]
"""Validates an object that decoded, looked at alone. An ERROR rejects the object, and so does an exception."""

NOT_A_MANIFEST: Final = "NotAManifest"
UNKNOWN_KIND: Final = "UnknownKind"
UNKNOWN_VERSION: Final = "UnknownVersion"
INVALID_FIELD: Final = "InvalidField"
UNKNOWN_FIELD: Final = "UnknownField"
INTERNAL_ERROR: Final = "InternalError"

MOST_UNKNOWN_FIELDS: Final = 20
"""How many unknown fields of one object are reported one by one."""

BUILT_IN_GROUPS: Final = frozenset({"", "apps", "discovery.k8s.io"})
"""Kubernetes' own groups. We read a part of their kinds and fields, so unknown ones are no mistake."""

_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
"""A second copy of the whole object, of a Secret's content too: not kept."""

_HEAD_FIELDS: Final = frozenset({"apiVersion", "kind", "metadata"})
_FIELDS: Final = ("apiVersion", "kind", "metadata", "spec", "status")
_UNQUOTED_KIND: Final = "Secret"
"""The kind whose values must not appear in messages, which are logged."""
_log = logging.getLogger(__name__)


class Decoded(msgspec.Struct, frozen=True, gc=False):
    """The result for one manifest: an object, a failure (`findings` say why), or a kind that is none of ours.

    `ref` is None when no identity could be read. `ignored` is the kind's key when no Input reads that kind. `embedded`
    are the lines of YAML inside a string of the manifest, and the path of that string. `draft` is what can be read of a
    rejected object.
    """

    ref: Ref | None = None
    object: AnyObject | None = None
    findings: tuple[Finding, ...] = ()
    ignored: str = ""
    embedded: tuple[str, Lines] | None = None
    draft: Draft | None = None


class _Fields(msgspec.Struct, frozen=True):
    """The fields of a manifest that are its content, the type to decode them to, and their path in the manifest."""

    value: Any
    target: type[Any]
    path: str


def registry_of(kinds: Iterable[Kind]) -> Registry:
    """Return the kinds by group and name. Raises ValueError when two share both and are for the same objects."""
    registry: dict[tuple[str, ...], Kind] = {}
    for kind in kinds:
        single = (f"{kind.embedded.namespace}/{kind.embedded.name}",) if kind.embedded else ()
        if registry.setdefault((kind.group, kind.name, *single), kind) != kind:
            raise ValueError(f"two kinds have the key {kind.key}")
    return registry


def accept_all(_: AnyObject) -> Iterable[Finding]:
    """Accept every object."""
    return ()


def decode(manifest: Any, registry: Registry, origin: str = "", accept: Accept = accept_all) -> Decoded:
    """Decode one manifest (plain values, Lists already unfolded). Never raises, never edits it.

    The namespace of a namespaced kind defaults to "default". An Object is returned only when the manifest is valid and
    accepted; findings beside it are warnings.
    """
    manifest = without_nulls(manifest)
    head = read_head(manifest)
    if isinstance(head, FieldError):
        return Decoded(findings=(_finding(Ref("", "", origin), NOT_A_MANIFEST, head),))
    kind = _kind_of(head, registry)
    if kind is None:
        return _ignore(head, registry)
    namespace = (head.namespace or "default") if kind.namespaced else ""
    ref = Ref(kind.key, namespace, head.name)
    error = name_error(manifest, head, kind)
    if error is not None:
        return Decoded(findings=(_finding(ref if head.name else Ref("", "", origin), NOT_A_MANIFEST, error),))
    if head.version not in kind.versions and not kind.is_plain:
        return Decoded(ref, findings=(_unknown_version(ref, head, kind),))
    decoded = _read(manifest, _of_version(kind, head.version), ref)
    if decoded.object:
        return _validate(decoded, decoded.object, accept)
    return _validate_draft(decoded, decoded.draft, accept) if decoded.draft else decoded


def _validate(decoded: Decoded, obj: AnyObject, accept: Accept) -> Decoded:
    try:
        findings = tuple(accept(obj))
    except Exception as error:
        _log.exception("validating %s failed", obj.ref)
        message = f"Mirrorplane failed to validate this object: {type(error).__name__}: {error}"
        fix = "report this bug together with the object"
        findings = (Finding(obj.ref, INTERNAL_ERROR, message, fix=fix),)
    rejected = any(finding.severity is Severity.ERROR for finding in findings)
    return msgspec.structs.replace(
        decoded,
        object=None if rejected else obj,
        findings=decoded.findings + findings,
        draft=Draft(obj, _error_paths(findings)) if rejected else None,
    )


def _validate_draft(decoded: Decoded, draft: Draft, accept: Accept) -> Decoded:
    """Add what is wrong with a draft besides its gaps. What fails on one is no bug: its gaps may be required."""
    try:
        findings = tuple(accept(draft.object))
    except Exception:
        return decoded
    errors = tuple(f for f in findings if f.severity is Severity.ERROR and not draft.is_near_gap(f.path))
    gaps = (*draft.gaps, *_error_paths(findings))
    return msgspec.structs.replace(
        decoded, findings=decoded.findings + errors, draft=msgspec.structs.replace(draft, gaps=gaps)
    )


def _error_paths(findings: Iterable[Finding]) -> tuple[str, ...]:
    return tuple(finding.path for finding in findings if finding.severity is Severity.ERROR)


def _kind_of(head: Head, registry: Registry) -> Kind | None:
    single = f"{head.namespace or 'default'}/{head.name}"
    return registry.get((head.group, head.kind, single)) or registry.get((head.group, head.kind))


def _ignore(head: Head, registry: Registry) -> Decoded:
    """Return the result for a kind we do not read: a warning where we serve others of its group, else nothing.

    It is an error where kind or group of apiVersion is most likely a misspelling of one that we read.
    """
    siblings = {name: group for group, name, *_ in registry if group == head.group}
    about = Ref(head.key, head.namespace, head.name)
    group = f" of {head.group}" if head.group else ""
    if suggestion := misspelt_kind(head.kind, siblings):
        message = f"{head.kind} is not a kind{group}: this object has no effect"
        finding = Finding(about, UNKNOWN_KIND, message, "kind", fix=f"did you mean {suggestion}?")
        return Decoded(ignored=head.key, findings=(finding,))
    is_served = any(kind.group == head.group and not kind.is_plain for kind in registry.values())
    if head.group in BUILT_IN_GROUPS or not is_served:
        meant = _meant(head, registry)
        return Decoded(ignored=head.key, findings=(_wrong_group(about, head, meant),) if meant else ())
    message = f"kind {head.kind}{group} is not supported: this object has no effect"
    return Decoded(ignored=head.key, findings=(Finding(about, UNKNOWN_KIND, message, "kind", Severity.WARNING),))


def _meant(head: Head, registry: Registry) -> Kind | None:
    """Return the kind that an apiVersion like `v1`, `networking.istio.io` or `networking.istoi.io/v1` fails to name."""
    kinds = [kind for kind in registry.values() if kind.name == head.kind and kind.group not in BUILT_IN_GROUPS]
    if head.group and head.group not in BUILT_IN_GROUPS:
        kinds = [kind for kind in kinds if misspelt(head.group, kind.group)]
    # A name like Gateway is Istio's and Gateway API's: which was meant is not guessed.
    return kinds[0] if len(kinds) == 1 else None


def _wrong_group(about: Ref, head: Head, meant: Kind) -> Finding:
    api_version = f"{head.group}/{head.version}" if head.group else head.version
    message = f"apiVersion {api_version} has no supported kind {head.kind}: this object has no effect"
    fix = f"write apiVersion: {meant.group}/{meant.versions[0]}"
    return Finding(about, UNKNOWN_KIND, message, "apiVersion", fix=fix)


def _unknown_version(ref: Ref, head: Head, kind: Kind) -> Finding:
    versions = " or ".join(f"{kind.group}/{version}" if kind.group else version for version in kind.versions)
    message = f"{kind.name} has no version {head.version!r}: this manifest is rejected"
    return Finding(ref, UNKNOWN_VERSION, message, "apiVersion", fix=f"write apiVersion: {versions}")


def _of_version(kind: Kind, version: str) -> Kind:
    """Return a kind as one of its versions has it."""
    return msgspec.structs.replace(kind, spec=kind.spec_of(version)) if kind.version_specs else kind


def _read(manifest: dict[str, Any], kind: Kind, ref: Ref) -> Decoded:
    if kind.embedded is not None:
        return _read_embedded(manifest, kind, ref)
    if kind.whole_object:
        fields, root = {key: value for key, value in manifest.items() if key not in _HEAD_FIELDS}, ""
    else:
        fields, root = manifest.get("spec", {}), "spec"
    unknown = () if kind.group in BUILT_IN_GROUPS else tuple(_unknown_findings(_unknown(manifest, fields, kind), ref))
    return _decoded(manifest, _Fields(fields, kind.spec, root), ref, unknown)


def _read_embedded(manifest: dict[str, Any], kind: Kind, ref: Ref) -> Decoded:
    """Read a kind that is YAML inside a string of the manifest. A missing string is an empty document."""
    place = kind.embedded
    assert place is not None
    outer = manifest.get(place.field, {})
    text = outer.get(place.key, "") if isinstance(outer, dict) else None
    if not isinstance(text, str):
        message = "expected a string that contains YAML"
        return Decoded(ref, findings=(Finding(ref, INVALID_FIELD, message, place.path, fix="write `|` after the key"),))
    try:
        documents = list(read_documents(text.encode()))
    except YamlError as error:
        where = f" (line {error.line} of the string)" if error.line else ""
        message = f"the string is not valid YAML: {error.message}{where}"
        return Decoded(ref, findings=(Finding(ref, INVALID_FIELD, message, place.path),))
    embedded = (place.path, documents[0].lines) if documents else None
    fields = without_nulls(documents[0].value) if documents else {}
    unknown = tuple(_unknown_findings(unknown_fields(fields, kind.spec, place.path), ref))
    decoded = _decoded(manifest, _Fields(fields, kind.spec, place.path), ref, unknown)
    return msgspec.structs.replace(decoded, embedded=embedded)


def _decoded(manifest: dict[str, Any], fields: _Fields, ref: Ref, unknown: tuple[Finding, ...]) -> Decoded:
    """Return the object of a manifest, or the errors and what can be read nevertheless."""
    show_values = ref.kind != _UNQUOTED_KIND
    metadata = convert_tolerantly(manifest.get("metadata"), Metadata, show_values=show_values)
    spec = convert_tolerantly(fields.value, fields.target, show_values=show_values)
    located = (("metadata", metadata.errors), (fields.path, spec.errors))
    errors = tuple(
        _finding(ref, INVALID_FIELD, msgspec.structs.replace(error, path=_join(root, error.path)))
        for root, group in located
        for error in group
    )
    if metadata.value is None or spec.value is None:
        return Decoded(ref, findings=errors + unknown)
    obj = _object(ref, metadata.value, _with_unknown_fields(spec.value, fields))
    if errors:
        return Decoded(ref, findings=errors + unknown, draft=Draft(obj, tuple(error.path for error in errors)))
    return Decoded(ref, obj, unknown)


def _with_unknown_fields(spec: Any, fields: _Fields) -> Any:
    if not isinstance(spec, OpenWire):
        return spec
    names = fields.value.keys() - fields_of(type(spec)).keys()
    return msgspec.structs.replace(spec, unknown_fields=tuple(sorted(names)))


def _object(ref: Ref, metadata: Metadata, spec: Wire) -> AnyObject:
    return Object(
        ref=ref,
        spec=spec,
        labels=metadata.labels,
        annotations={key: value for key, value in metadata.annotations.items() if key != _LAST_APPLIED},
        created=metadata.creation_timestamp,
        generation=metadata.generation,
    )


def _finding(about: Ref, reason: str, error: FieldError) -> Finding:
    return Finding(about, reason, error.message, error.path, fix=error.fix)


def _unknown_findings(fields: Iterator[UnknownField], ref: Ref) -> Iterator[Finding]:
    for field in islice(fields, MOST_UNKNOWN_FIELDS):
        fix = f"did you mean {field.suggestion}?" if field.suggestion else ""
        message = f"unknown field {field.name}: it has no effect"
        yield Finding(ref, UNKNOWN_FIELD, message, field.path, Severity.WARNING, fix)
    if following := next(fields, None):
        count = 1 + sum(1 for _ in fields)
        message = f"{count:,} more unknown fields, from this one on, have no effect and are not listed"
        yield Finding(ref, UNKNOWN_FIELD, message, following.path, Severity.WARNING)


def _unknown(manifest: dict[str, Any], fields: dict[str, Any], kind: Kind) -> Iterator[UnknownField]:
    if not kind.whole_object:
        yield from (UnknownField(name, name, _FIELDS) for name in sorted(manifest.keys() - set(_FIELDS)))
    yield from unknown_fields(manifest["metadata"], Metadata, "metadata")
    is_open = not kind.is_plain and issubclass(kind.spec, OpenWire)  # then the kind's own findings have them
    for field in unknown_fields(fields, kind.spec, "" if kind.whole_object else "spec"):
        is_reported = is_open and field.path == f"spec.{field.name}" and not field.suggestion
        if field.path != "status" and not is_reported:
            yield field


def _join(root: str, path: str) -> str:
    return f"{root}.{path}" if root and path and not path.startswith("[") else f"{root}{path}"
