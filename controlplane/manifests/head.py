"""Reads what every manifest has before its kind is known: Lists, absent fields, the head and the metadata.

Separate from decode because these are Kubernetes' rules for any object, ours or not.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from mirrorplane.api.meta import Kind, Wire

_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN: Final = re.compile(rf"{_LABEL.pattern}(\.{_LABEL.pattern})*")
_LONGEST_LABEL: Final = 63
_LABEL_RULE: Final = f"lower case letters, digits and '-', at most {_LONGEST_LABEL} characters (RFC 1123)"
_LONGEST_NAME: Final = 253
_NAMED_BY_LABEL: Final = frozenset({"Service", "Namespace"})
"""Kinds of the core group whose names become one label of a DNS name: `web.shop.svc.cluster.local`."""


class Metadata(Wire, frozen=True):
    """Kubernetes' ObjectMeta. What we do not keep is typed as anything, so that it is known but never refused."""

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
    """Who a manifest says it is. `name` is "" when it has none, `namespace` when it leaves that to the default."""

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
    shared = {"apiVersion": value.get("apiVersion"), "kind": kind[:-4]} if kind != "List" else {}
    for position, item in enumerate(items):
        yield f"items[{position}]", {**shared, **item} if isinstance(item, dict) else item


def without_nulls(value: Any) -> Any:
    """Return a plain value without the mapping keys that hold null: to Kubernetes they are absent. Never edits it."""
    if type(value) is dict:
        return {key: _kept(child) for key, child in value.items() if child is not None}
    if type(value) is list:
        return [_kept(child) for child in value]
    return value


def read_head(manifest: Any) -> Head | str:
    """Return who a manifest is, or a sentence why it is nobody: no mapping, no apiVersion, no kind."""
    if not isinstance(manifest, dict):
        return "this is not a Kubernetes object: it is no mapping with apiVersion, kind and metadata"
    for field in ("apiVersion", "kind"):
        if not isinstance(manifest.get(field), str) or not manifest[field]:
            return f"this is not a Kubernetes object: it has no {field}"
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


def misnamed(manifest: dict[str, Any], head: Head, kind: Kind) -> tuple[str, str]:
    """Return the path and the sentence for a name or namespace that Kubernetes would refuse; ("", "") when both do."""
    metadata = manifest.get("metadata")
    written = metadata if isinstance(metadata, dict) else {}
    if "name" not in written:
        generated = "; generateName needs an API server" if "generateName" in written else ""
        return "metadata.name", f"this is not a Kubernetes object: it has no metadata.name{generated}"
    if kind.key in _NAMED_BY_LABEL and not _is_label(head.name):
        return "metadata.name", f"{_shown(written['name'])} is not a name of a {kind.name}: it must be {_LABEL_RULE}"
    if len(head.name) > _LONGEST_NAME or not _SUBDOMAIN.fullmatch(head.name):
        rule = f"lower case letters, digits, '-' and '.', at most {_LONGEST_NAME} characters (RFC 1123)"
        return "metadata.name", f"{_shown(written['name'])} is not a name: it must be {rule}"
    if kind.namespaced and "namespace" in written and not _is_label(head.namespace):
        return "metadata.namespace", f"{_shown(written['namespace'])} is not a namespace: it must be {_LABEL_RULE}"
    return "", ""


def _is_label(name: str) -> bool:
    return len(name) <= _LONGEST_LABEL and _LABEL.fullmatch(name) is not None


def _kept(child: Any) -> Any:
    return without_nulls(child) if type(child) is dict or type(child) is list else child


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_LABEL else f"{text[:_LONGEST_LABEL]}..."
