"""Gateway API's ListenerSet -> a Gateway beside the one that it joins. See decision 0086."""

from collections.abc import Iterator

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.kinds.gateway_api.listener_set import LISTENER_SET, ListenerSet
from mirrorplane.api.mesh import Lowered
from mirrorplane.api.meta import Object, Ref
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Input
from mirrorplane.translators.gateway_api.gateway.classes import profile
from mirrorplane.translators.gateway_api.gateway.listener_validation import listener_rules
from mirrorplane.translators.gateway_api.gateway.listeners import is_admitted, joined, seen_by
from mirrorplane.translators.gateway_api.gateway.servers import gateway_of, selection_of
from mirrorplane.translators.gateway_api.names import called
from mirrorplane.translators.routers.servers import joining_place

Set = Object[ListenerSet]


def lower(view: View, obj: Set) -> Lowered:
    """Return the listeners that are served as a gateway of their own, at the routers of the Gateway that they join."""
    parent = joined(obj)
    gateway = view.get(parent) if parent is not None else None
    if parent is None or gateway is None:
        return Lowered(findings=_missing(obj, parent))
    if profile(view, gateway.spec.gateway_class_name) is None:
        return Lowered()
    if not is_admitted(view, gateway, obj.ref.namespace):
        message = f"{parent} lets no ListenerSets of namespace {obj.ref.namespace} join: nothing listens"
        return Lowered(
            findings=(Finding(obj.ref, "NotAllowed", message, "spec.parentRef", fix="see allowedListeners"),)
        )
    found = view.memo(seen_by, parent, obj.ref)
    said = tuple(finding for one in found if one.listener.owner == obj.ref for finding in one.findings)
    return Lowered(gateways=(gateway_of(obj, parent, found),), findings=said)


def validate(obj: Set) -> Iterator[Finding]:
    """Refuse what the API server refuses."""
    yield from listener_rules(obj.ref, obj.spec.listeners)


def _missing(obj: Set, parent: Ref | None) -> tuple[Finding, ...]:
    if parent is None:
        said = obj.spec.parent_ref
        message = f"a {said.kind} of {said.group or 'the core group'} takes no ListenerSets: nothing listens"
        return (
            Finding(obj.ref, "ParentNotServed", message, "spec.parentRef.kind", Severity.WARNING, "name a Gateway"),
        )
    message, fix = f"there is no {parent}: nothing listens", "correct the name, or create it"
    return (Finding(obj.ref, "ParentNotFound", message, "spec.parentRef", Severity.WARNING, fix),)


def _name(obj: Set) -> tuple[str, ...]:
    return (called(obj.ref),)


def _parent(obj: Set) -> tuple[str, ...]:
    parent = joined(obj)
    return (joining_place(parent),) if parent is not None else ()


def _selection(obj: Set) -> tuple[str, ...]:
    parent = joined(obj)
    return selection_of(parent.name) if parent is not None else ()


INPUT = Input(
    kinds=(LISTENER_SET,),
    lower=lower,
    validate=validate,
    indexes={
        "gateway.name": _name,
        "gateway.selector": _selection,
        "gateway.joined": _parent,
    },
)
