"""ReferenceGrant: which objects of other namespaces may refer to objects of this one."""

from typing import Annotated

from msgspec import Meta, field

from mirrorplane.api.kinds.gateway_api import GROUP, VERSIONS
from mirrorplane.api.kinds.gateway_api.references import Group, KindName, Namespace
from mirrorplane.api.meta import Kind, Wire


class ReferenceGrantFrom(Wire, frozen=True):
    """The referring objects: those of a kind in a namespace."""

    group: Group
    kind: KindName
    namespace: Annotated[Namespace, Meta(min_length=1)]


class ReferenceGrantTo(Wire, frozen=True):
    """The objects that may be referred to: one of a kind, or all."""

    group: Group
    kind: KindName
    name: Annotated[str, Meta(max_length=253)] = ""


class ReferenceGrant(Wire, frozen=True):
    """All of `from` may refer to all of `to`."""

    from_: Annotated[tuple[ReferenceGrantFrom, ...], Meta(min_length=1, max_length=16)] = field(name="from")
    to: Annotated[tuple[ReferenceGrantTo, ...], Meta(min_length=1, max_length=16)]


REFERENCE_GRANT = Kind(GROUP, VERSIONS, "ReferenceGrant", ReferenceGrant)
