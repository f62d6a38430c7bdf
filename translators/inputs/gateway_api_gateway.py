"""Gateway API's Gateway -> Gateway."""

from collections.abc import Iterator

import msgspec

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.hosts import is_ip
from mirrorplane.api.kinds.gateway_api import gateway as gw
from mirrorplane.api.kinds.gateway_api.gateway_class import GATEWAY_CLASS
from mirrorplane.api.mesh import Lowered
from mirrorplane.api.meta import Object, Ref
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Input
from mirrorplane.translators.gateway_api.gateway.certificates import shown_by, shown_findings
from mirrorplane.translators.gateway_api.gateway.classes import profile
from mirrorplane.translators.gateway_api.gateway.frontend_tls import fallback_findings, frontend_rules
from mirrorplane.translators.gateway_api.gateway.listener_validation import listener_rules
from mirrorplane.translators.gateway_api.gateway.listeners import gateway_problems, seen_by
from mirrorplane.translators.gateway_api.gateway.servers import gateway_of, selection_of
from mirrorplane.translators.gateway_api.names import called, hostname_problem


def lower(view: View, obj: Object[gw.Gateway]) -> Lowered:
    """Return the gateway, with the listeners that are served; nothing for one of another controller's class."""
    if profile(view, obj.spec.gateway_class_name) is None:
        return Lowered(findings=tuple(_class_findings(view, obj)))
    found = view.memo(seen_by, obj.ref, obj.ref)
    own = (finding for one in found if one.listener.owner == obj.ref for finding in one.findings)
    said = (*gateway_problems(obj), *shown_findings(view, obj), *fallback_findings(obj), *own)
    served = msgspec.structs.replace(gateway_of(obj, obj.ref, found), client_certificate=shown_by(view, obj))
    return Lowered(gateways=(served,), findings=said)


def validate(obj: Object[gw.Gateway]) -> Iterator[Finding]:
    """Refuse what the API server refuses."""
    yield from listener_rules(obj.ref, obj.spec.listeners)
    yield from _address_findings(obj)
    yield from frontend_rules(obj)


def _address_findings(obj: Object[gw.Gateway]) -> Iterator[Finding]:
    seen: set[tuple[str, str]] = set()
    for i, said in enumerate(obj.spec.addresses):
        path = f"spec.addresses[{i}]"
        if said.type == "IPAddress" and said.value and not is_ip(said.value):
            yield Finding(obj.ref, "InvalidAddress", f"{said.value!r} is no IP address", f"{path}.value")
        if said.type == "Hostname" and said.value and (problem := hostname_problem(said.value, precise=True)):
            yield Finding(obj.ref, "InvalidAddress", problem, f"{path}.value")
        if said.value and (said.type, said.value) in seen:
            yield Finding(obj.ref, "InvalidAddress", f"{said.type} values must be unique", path)
        seen.add((said.type, said.value))


def _class_findings(view: View, obj: Object[gw.Gateway]) -> Iterator[Finding]:
    """Tell of a class that is not there. Classes of other controllers are none of ours."""
    name = obj.spec.gateway_class_name
    if view.get(Ref(GATEWAY_CLASS.key, "", name)) is None:
        message = f"there is no GatewayClass {name}: nobody serves this Gateway"
        fix = "create the GatewayClass, or correct the name"
        yield Finding(obj.ref, "NoGatewayClass", message, "spec.gatewayClassName", Severity.WARNING, fix)


def _name(obj: Object[gw.Gateway]) -> tuple[str, ...]:
    return (called(obj.ref),)


def _selection(obj: Object[gw.Gateway]) -> tuple[str, ...]:
    return selection_of(obj.ref.name)


def _everywhere(_: Object[gw.Gateway]) -> tuple[str, ...]:
    return ("*",)


INPUT = Input(
    kinds=(gw.GATEWAY,),
    lower=lower,
    validate=validate,
    indexes={"gateways": _everywhere, "gateway.name": _name, "gateway.selector": _selection},
)
