"""What every object has: a Kind to read it by, a Ref to find it by, and metadata."""

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import msgspec

Labels = tuple[tuple[str, str], ...]
"""Labels as sorted pairs, so that they can be compared, hashed and shared."""


class Wire(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """Base of every type that is read from a manifest. Unknown fields are allowed and reported by the decoder."""


class Text(msgspec.Struct, frozen=True):
    """YAML in a text of a manifest: the one object that holds it, and the two fields that lead to it."""

    namespace: str
    name: str
    field: str
    key: str

    @property
    def path(self) -> str:
        """The text's place in the manifest: `data.mesh`."""
        return f"{self.field}.{self.key}"


class Kind(msgspec.Struct, frozen=True):
    """One kind of manifest we read: where it stands in the Kubernetes API, and the type of what we keep of it.

    `spec` types the manifest's `spec` field, or, when `whole` is set (EndpointSlice, Pod), the manifest itself.
    With `text` it types what a text of the one object holds (Istio's ConfigMap); others of the kind are not read.
    All of `versions` are read as the same type: Istio serves its v1alpha3, v1beta1 and v1 with one schema.
    """

    group: str
    versions: tuple[str, ...]
    name: str
    spec: type[Wire]
    whole: bool = False
    namespaced: bool = True
    text: Text | None = None

    @property
    def key(self) -> str:
        """`group/Name`, or just `Name` for the core group: what `Ref.kind` holds.

        What stands in a text has a key of its own (`mesh/ConfigMap`): others of the kind may be read too.
        """
        group = self.text.key if self.text else self.group
        return f"{group}/{self.name}" if group else self.name


class Ref(msgspec.Struct, frozen=True, order=True, cache_hash=True):
    """The key of everything. `kind` is a `Kind.key`; `namespace` is empty for cluster-scoped kinds."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """As kubectl prints it: `VirtualService default/httpbin`."""
        short = self.kind.rpartition("/")[2]
        return f"{short} {self.namespace}/{self.name}" if self.namespace else f"{short} {self.name}"


SpecT = TypeVar("SpecT", bound=Wire, covariant=True)


class Object(msgspec.Struct, Generic[SpecT], frozen=True):
    """One manifest as we understand it. Equality leaves out status and resourceVersion: they are not here.

    `created` is metadata.creationTimestamp (RFC 3339, seconds) or "": Istio's "oldest wins" reads it.
    """

    ref: Ref
    spec: SpecT
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    created: str = ""
    generation: int = 0


AnyObject = Object[Any]
