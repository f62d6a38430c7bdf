"""ListenerSet: listeners that others than its owner add to a Gateway."""

from typing import Annotated

from msgspec import Meta

from mirrorplane.api.kinds.gateway_api import GROUP
from mirrorplane.api.kinds.gateway_api.gateway import Listener
from mirrorplane.api.kinds.gateway_api.references import Group, KindName, Namespace, ObjectName
from mirrorplane.api.meta import Kind, Wire


class ParentGatewayReference(Wire, frozen=True):
    """The Gateway that the listeners join."""

    name: ObjectName
    group: Group = GROUP
    kind: KindName = "Gateway"
    namespace: Namespace = ""


class ListenerSet(Wire, frozen=True):
    """Listeners that join those of a Gateway, if its allowedListeners permit."""

    parent_ref: ParentGatewayReference
    listeners: Annotated[tuple[Listener, ...], Meta(min_length=1, max_length=64)]


LISTENER_SET = Kind(GROUP, ("v1",), "ListenerSet", ListenerSet)
