"""What every object has: a Kind that decodes it, a Ref that finds it, and metadata."""

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import msgspec

Labels = tuple[tuple[str, str], ...]
"""Labels as sorted pairs: comparable, hashable and cheap to share."""


# `gc=False`: manifests hold no reference cycles, so the collector need not track them. See decision 0014.
class Wire(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """Base of every type that is decoded from a manifest. Unknown fields are allowed, and the decoder reports them."""


class OpenWire(Wire, frozen=True):
    """Base of specs of other products of which a part is read, where it matters whether an object uses more than that.

    `unknown_fields` are the names of the spec's own fields that the type does not have, sorted. The decoder sets them.
    """

    unknown_fields: tuple[str, ...] = ()


PLAIN = dict[str, Any]
"""The spec of kinds of which we have no schema."""


class EmbeddedYaml(msgspec.Struct, frozen=True):
    """YAML inside a string of a manifest: the one object that holds it, and the path to the string."""

    namespace: str
    name: str
    field: str
    key: str

    @property
    def path(self) -> str:
        """The string's path in the manifest: `data.mesh`."""
        return f"{self.field}.{self.key}"


class Kind(msgspec.Struct, frozen=True):
    """One kind of manifest: its group and versions in the Kubernetes API, and the type that it is decoded to.

    `spec` types the manifest's `spec` field, or the whole manifest with `whole_object` (EndpointSlice, Pod).
    With `embedded` it is the type of YAML inside one named object (Istio's ConfigMap); other objects are ignored.
    All `versions` decode to the same type: Istio serves v1alpha3, v1beta1 and v1 with one schema. `version_specs` are
    the types of versions with a schema of their own; they extend `spec`.

    With PLAIN as `spec` nothing of it is typed or validated, and every version is read: the kind is recognised only.
    """

    group: str
    versions: tuple[str, ...]
    name: str
    spec: type[Wire] | type[dict[str, Any]]
    whole_object: bool = False
    namespaced: bool = True
    embedded: EmbeddedYaml | None = None
    version_specs: tuple[tuple[str, type[Wire]], ...] = ()

    def spec_of(self, version: str) -> type[Wire] | type[dict[str, Any]]:
        """Return the type that a manifest of a version is decoded to."""
        return dict(self.version_specs).get(version, self.spec)

    @property
    def is_plain(self) -> bool:
        """Whether its spec is plain values without a schema."""
        return self.spec == PLAIN

    @property
    def key(self) -> str:
        """`group/Name`, or just `Name` for the core group: what `Ref.kind` holds.

        Embedded YAML has a key of its own (`mesh/ConfigMap`), so that another Kind may decode the same objects.
        """
        group = self.embedded.key if self.embedded else self.group
        return f"{group}/{self.name}" if group else self.name


class Ref(msgspec.Struct, frozen=True, order=True, cache_hash=True):
    """The key of an object. `kind` is a `Kind.key`; `namespace` is empty for cluster-scoped kinds."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """As kubectl prints it: `VirtualService default/httpbin`."""
        short = self.kind.rpartition("/")[2]
        return f"{short} {self.namespace}/{self.name}" if self.namespace else f"{short} {self.name}"


class FieldRef(msgspec.Struct, frozen=True):
    """One field of an object: where a route, a match or a mirror was written."""

    about: Ref
    path: str = ""


SpecT = TypeVar("SpecT", bound=Wire, covariant=True)


class Object(msgspec.Struct, Generic[SpecT], frozen=True):
    """One decoded manifest. It has no status and no resourceVersion, so writing a status changes no Object.

    `created` is metadata.creationTimestamp (RFC 3339, seconds) or "": it decides conflicts, where the oldest wins.
    """

    ref: Ref
    spec: SpecT
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    created: str = ""
    generation: int = 0


AnyObject = Object[Any]
