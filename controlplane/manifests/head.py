"""Reads what every manifest has before its kind is known: Lists, absent fields, the head and the metadata.

These are Kubernetes' rules for any object, ours or not.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from mirrorplane.api.meta import Kind, Wire
from mirrorplane.controlplane.manifests.field_errors import FieldError

_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN: Final = re.compile(rf"{_LABEL.pattern}(\.{_LABEL.pattern})*")
_LONGEST_LABEL: Final = 63
_LABEL_RULE: Final = f"lower-case letters, digits and inner '-', at most {_LONGEST_LABEL} characters (RFC 1123)"
_LONGEST_NAME: Final = 253
_SUBDOMAIN_RULE: Final = f"lower-case letters, digits, inner '-' and '.', at most {_LONGEST_NAME} characters (RFC 1123)"
_NOT_AN_OBJECT: Final = "not a Kubernetes object"
_NAMED_BY_LABEL: Final = frozenset({"Service", "Namespace"})
"""Kinds of the core group whose names become one label of a DNS name: `web.shop.svc.cluster.local`."""


class Metadata(Wire, frozen=True):
    """Kubernetes' ObjectMeta. Fields we do not keep accept any value: they are known, and never rejected."""

    name: str = ""
    namespace: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    creation_timestamp: str = ""
    generation: int = 0
    generate_name: Any = None
    uid: Any = None
    resource_version: Any = None
    self_link: Any = None
    deletion_timestamp: Any = None
    deletion_grace_period_seconds: Any = None
    owner_references: Any = None
    finalizers: Any = None
    managed_fields: Any = None
    cluster_name: Any = None


class Head(msgspec.Struct, frozen=True):
    """The identity a manifest claims. `name` and `namespace` are "" when it has none."""

    group: str
    version: str
    kind: str
    namespace: str
    name: str

    @property
    def key(self) -> str:
        """As `Kind.key`."""
        return f"{self.group}/{self.kind}" if self.group else self.kind


def unfold(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield each manifest of a document and its path in it: the items of a `List` or `XxxList`, or the document itself.

    Items of an `XxxList` may leave apiVersion and kind to their list, as the API server does.
    """
    kind = value.get("kind") if isinstance(value, dict) else None
    items = value.get("items") if isinstance(value, dict) else None
    if kind == "List" and items is None:
        return
    if not (isinstance(kind, str) and kind.endswith("List") and isinstance(items, list)):
        yield "", value
        return
    inherited = {"apiVersion": value.get("apiVersion"), "kind": kind[:-4]} if kind != "List" else {}
    for position, item in enumerate(items):
        yield f"items[{position}]", {**inherited, **item} if isinstance(item, dict) else item


def without_nulls(value: Any) -> Any:
    """Return a plain value without the mapping keys that hold null: to Kubernetes they are absent. Never edits it."""
    if type(value) is dict:
        return {key: _pruned(child) for key, child in value.items() if child is not None}
    if type(value) is list:
        return [_pruned(child) for child in value]
    return value


def read_head(manifest: Any) -> Head | FieldError:
    """Return the head of a manifest, or why it has none: it is no mapping, or apiVersion or kind is missing."""
    if not isinstance(manifest, dict):
        return FieldError("", f"{_NOT_AN_OBJECT}: expected a mapping with apiVersion, kind and metadata")
    for field in ("apiVersion", "kind"):
        if not isinstance(manifest.get(field), str) or not manifest[field]:
            return FieldError("", f"{_NOT_AN_OBJECT}: {field} is missing", f"add {field}")
    group, _, version = manifest["apiVersion"].rpartition("/")
    metadata = manifest.get("metadata")
    name, namespace = (metadata.get("name"), metadata.get("namespace")) if isinstance(metadata, dict) else ("", "")
    return Head(
        group=group,
        version=version,
        kind=manifest["kind"],
        namespace=namespace if isinstance(namespace, str) else "",
        name=name if isinstance(name, str) else "",
    )


def name_error(manifest: dict[str, Any], head: Head, kind: Kind) -> FieldError | None:
    """Return what is wrong with a name or namespace that Kubernetes would reject."""
    raw = manifest.get("metadata")
    metadata = raw if isinstance(raw, dict) else {}
    if "name" not in metadata:
        generated = "; generateName works with an API server only" if "generateName" in metadata else ""
        message = f"{_NOT_AN_OBJECT}: metadata.name is missing{generated}"
        return FieldError("metadata.name", message, "add metadata.name")
    name = _quoted(metadata["name"])
    if kind.key in _NAMED_BY_LABEL and not _is_label(head.name):
        return FieldError("metadata.name", f"{name} is not a valid {kind.name} name", f"use {_LABEL_RULE}")
    if len(head.name) > _LONGEST_NAME or not _SUBDOMAIN.fullmatch(head.name):
        return FieldError("metadata.name", f"{name} is not a valid name", f"use {_SUBDOMAIN_RULE}")
    if kind.namespaced and "namespace" in metadata and not _is_label(head.namespace):
        message = f"{_quoted(metadata['namespace'])} is not a valid namespace"
        return FieldError("metadata.namespace", message, f"use {_LABEL_RULE}")
    return None


def _is_label(name: str) -> bool:
    return len(name) <= _LONGEST_LABEL and _LABEL.fullmatch(name) is not None


def _pruned(child: Any) -> Any:
    return without_nulls(child) if type(child) is dict or type(child) is list else child


def _quoted(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_LABEL else f"{text[:_LONGEST_LABEL]}..."
