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
from mirrorplane.translators.gateway_api.attachment.policy_targets import target_candidate_keys
from mirrorplane.translators.gateway_api.gateway.certificates import (
    client_certificate_findings,
    client_certificate_of,
)
from mirrorplane.translators.gateway_api.gateway.classes import class_profile
from mirrorplane.translators.gateway_api.gateway.frontend_tls import fallback_findings, frontend_tls_findings
from mirrorplane.translators.gateway_api.gateway.listener_validation import listener_findings
from mirrorplane.translators.gateway_api.gateway.listeners import gateway_findings, parameters_findings, verdicts_for
from mirrorplane.translators.gateway_api.gateway.servers import gateway_of, selector_keys
from mirrorplane.translators.gateway_api.names import binding_name, hostname_problem
from mirrorplane.translators.secrets.router_accounts import accounts_of_class, annotated_accounts


def lower(view: View, obj: Object[gw.Gateway]) -> Lowered:
    """Return the gateway with the listeners that are served; nothing for another controller's class."""
    profile = class_profile(view, obj.spec.gateway_class_name)
    if profile is None:
        return Lowered(findings=tuple(_class_findings(view, obj)))
    verdicts = view.memo(verdicts_for, obj.ref, obj.ref)
    declared = (verdict for verdict in verdicts if verdict.listener.parent == obj.ref)
    of_listeners = (finding for verdict in declared for finding in verdict.findings)
    of_gateway = (*gateway_findings(view, obj), *parameters_findings(view, obj))
    findings = (*of_gateway, *client_certificate_findings(view, obj), *fallback_findings(obj), *of_listeners)
    convention = accounts_of_class(obj.ref.name, obj.spec.gateway_class_name)
    accounts = (*convention, *profile.service_accounts, *annotated_accounts(obj.annotations))
    gateway = gateway_of(obj, obj.ref, verdicts, tuple(dict.fromkeys(accounts)))
    served = msgspec.structs.replace(gateway, client_certificate=client_certificate_of(view, obj))
    return Lowered(gateways=(served,), findings=findings)


def validate(obj: Object[gw.Gateway]) -> Iterator[Finding]:
    """Report what the API server rejects."""
    yield from listener_findings(obj.ref, obj.spec.listeners)
    yield from _address_findings(obj)
    yield from frontend_tls_findings(obj)


def _address_findings(obj: Object[gw.Gateway]) -> Iterator[Finding]:
    values: set[tuple[str, str]] = set()
    for i, address in enumerate(obj.spec.addresses):
        path = f"spec.addresses[{i}]"
        if address.type == "IPAddress" and address.value and not is_ip(address.value):
            yield Finding(obj.ref, "InvalidAddress", f"invalid IP address {address.value!r}", f"{path}.value")
        if address.type == "Hostname" and address.value and (problem := hostname_problem(address.value, precise=True)):
            yield Finding(obj.ref, "InvalidAddress", problem, f"{path}.value")
        if address.value and (address.type, address.value) in values:
            yield Finding(obj.ref, "InvalidAddress", f"{address.type} values must be unique", path)
        values.add((address.type, address.value))


def _class_findings(view: View, obj: Object[gw.Gateway]) -> Iterator[Finding]:
    """Report a missing class; those of other controllers are left to them."""
    name = obj.spec.gateway_class_name
    if view.get(Ref(GATEWAY_CLASS.key, "", name)) is None:
        message = f"GatewayClass {name} not found; the Gateway is not served"
        fix = "correct the name, or create the GatewayClass"
        yield Finding(obj.ref, "NoGatewayClass", message, "spec.gatewayClassName", Severity.WARNING, fix)


def _name(obj: Object[gw.Gateway]) -> tuple[str, ...]:
    return (binding_name(obj.ref),)


def _selection(obj: Object[gw.Gateway]) -> tuple[str, ...]:
    return selector_keys(obj.ref.name)


def _everywhere(_: Object[gw.Gateway]) -> tuple[str, ...]:
    return ("*",)


INPUT = Input(
    kinds=(gw.GATEWAY,),
    lower=lower,
    validate=validate,
    indexes={
        "gateways": _everywhere,
        "gateway.name": _name,
        "gateway.selector": _selection,
        "policy.target": target_candidate_keys,
    },
)
