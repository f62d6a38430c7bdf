"""Gateway API's ListenerSet -> a gateway of its own at the routers of the Gateway that it joins.

See decision 0086.
"""

from collections.abc import Iterator

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.kinds.gateway_api.listener_set import LISTENER_SET, ListenerSet
from mirrorplane.api.mesh import Lowered
from mirrorplane.api.meta import Object, Ref
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Input
from mirrorplane.translators.gateway_api.attachment.policy_targets import target_candidate_keys
from mirrorplane.translators.gateway_api.gateway.classes import class_profile
from mirrorplane.translators.gateway_api.gateway.listener_validation import listener_findings
from mirrorplane.translators.gateway_api.gateway.listeners import allows_listener_sets, joined_gateway, verdicts_for
from mirrorplane.translators.gateway_api.gateway.servers import gateway_of, selector_keys
from mirrorplane.translators.gateway_api.names import binding_name
from mirrorplane.translators.gateway_api.references import group_name, not_allowed
from mirrorplane.translators.routers.servers import joined_key

Set = Object[ListenerSet]


def lower(view: View, obj: Set) -> Lowered:
    """Return the listeners that are served, as a gateway of their own."""
    parent = joined_gateway(obj)
    gateway = view.get(parent) if parent is not None else None
    if parent is None or gateway is None:
        return Lowered(findings=_parent_findings(obj, parent))
    if class_profile(view, gateway.spec.gateway_class_name) is None:
        return Lowered()
    if not allows_listener_sets(view, gateway, obj.ref.namespace):
        message, fix = not_allowed(parent, obj.ref.namespace), "set allowedListeners of the Gateway"
        return Lowered(findings=(Finding(obj.ref, "NotAllowed", message, "spec.parentRef", fix=fix),))
    verdicts = view.memo(verdicts_for, parent, obj.ref)
    declared = (verdict for verdict in verdicts if verdict.listener.parent == obj.ref)
    findings = tuple(finding for verdict in declared for finding in verdict.findings)
    return Lowered(gateways=(gateway_of(obj, parent, verdicts),), findings=findings)


def validate(obj: Set) -> Iterator[Finding]:
    """Report what the API server rejects."""
    yield from listener_findings(obj.ref, obj.spec.listeners)


def _parent_findings(obj: Set, parent: Ref | None) -> tuple[Finding, ...]:
    if parent is None:
        ref = obj.spec.parent_ref
        message = f"{ref.kind} of {group_name(ref.group)} is not supported as a parent; the listeners are not served"
        return (Finding(obj.ref, "ParentNotServed", message, "spec.parentRef.kind", Severity.WARNING, "use a Gateway"),)
    message, fix = f"{parent} not found; the listeners are not served", "correct the name, or create it"
    return (Finding(obj.ref, "ParentNotFound", message, "spec.parentRef", Severity.WARNING, fix),)


def _name(obj: Set) -> tuple[str, ...]:
    return (binding_name(obj.ref),)


def _parent(obj: Set) -> tuple[str, ...]:
    parent = joined_gateway(obj)
    return (joined_key(parent),) if parent is not None else ()


def _selection(obj: Set) -> tuple[str, ...]:
    parent = joined_gateway(obj)
    return selector_keys(parent.name) if parent is not None else ()


INPUT = Input(
    kinds=(LISTENER_SET,),
    lower=lower,
    validate=validate,
    indexes={
        "gateway.name": _name,
        "gateway.selector": _selection,
        "gateway.joined": _parent,
        "policy.target": target_candidate_keys,
    },
)
