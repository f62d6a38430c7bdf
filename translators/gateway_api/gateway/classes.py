"""Which GatewayClasses are served here, and what they set for all of their Gateways."""

from collections.abc import Iterator, Mapping

import msgspec

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.kinds import mirrorplane
from mirrorplane.api.kinds.gateway_api import gateway_class as gw
from mirrorplane.api.meta import Object, Ref
from mirrorplane.api.view import View
from mirrorplane.translators.gateway_api.references import group_name

_PARAMETERS = (mirrorplane.GATEWAY_PARAMETERS.group, mirrorplane.GATEWAY_PARAMETERS.name)


class Profile(msgspec.Struct, frozen=True):
    """What a class means for its Gateways and their routes.

    `shadow_suffix`: mirrored requests get Envoy's `-shadow` host suffix. `service_accounts` are more of
    its routers.
    """

    controller: str
    shadow_suffix: bool = False
    service_accounts: tuple[str, ...] = ()


_SHADOW_SUFFIX = {"mirrorplane": False, "fsm": False, "kgateway": True}
"""Whether a product that we stand in for lets Envoy append the suffix."""


def class_profile(view: View, name: str) -> Profile | None:
    """Return what a class means; None when it is missing or another controller's."""
    obj = view.get(Ref(gw.GATEWAY_CLASS.key, "", name))
    if obj is None:
        # A folder of files may name classes that only a cluster would have.
        return view.memo(_virtual_classes).get(name)
    profile = view.memo(_controllers).get(obj.spec.controller_name)
    if profile is None:
        return None
    parameters = _parameters(view, obj)
    if parameters is None:
        return profile
    return msgspec.structs.replace(
        profile,
        shadow_suffix=parameters.mirroring.shadow_host_suffix,
        service_accounts=parameters.service_accounts,
    )


def gateway_profile(view: View, gateway: Ref) -> Profile | None:
    """Return what the class of a Gateway means; None when either is missing, or another controller's.

    Memoised by itself: thousands of routes read it, and must not depend on the rest of the Gateway.
    """
    profile: Profile | None = view.memo(_gateway_profile, gateway)
    return profile


def is_adopted(view: View, name: str) -> bool:
    """Tell whether a class is another controller's that is served here."""
    profile = class_profile(view, name)
    return profile is not None and profile.controller != gw.CONTROLLER


def is_served(view: View, obj: Object[gw.GatewayClass]) -> bool:
    """Tell whether a class names a controller that is served here."""
    return obj.spec.controller_name in view.memo(_controllers)


def class_findings(view: View, obj: Object[gw.GatewayClass]) -> Iterator[Finding]:
    """Report parameters of a class that cannot be used, and are ignored."""
    ref = obj.spec.parameters_ref
    if ref is None or not is_served(view, obj) or _parameters(view, obj) is not None:
        return
    if (ref.group, ref.kind) != _PARAMETERS and obj.spec.controller_name != gw.CONTROLLER:
        message = (
            f"{ref.kind} {ref.name} has no effect: it configures the proxies that {obj.spec.controller_name} deploys,"
            " and Mirrorplane deploys none"
        )
        fix = f"use GatewayParameters of {mirrorplane.GROUP} for settings of Mirrorplane"
        yield Finding(obj.ref, "FieldUnused", message, "spec.parametersRef", Severity.WARNING, fix)
    elif (ref.group, ref.kind) != _PARAMETERS:
        message = f"{ref.kind} of {group_name(ref.group)} is not supported; the defaults apply"
        fix = f"use GatewayParameters of {mirrorplane.GROUP}"
        yield Finding(obj.ref, "InvalidParameters", message, "spec.parametersRef", fix=fix)
    elif ref.namespace:
        message = "GatewayParameters are cluster-scoped; the defaults apply"
        yield Finding(obj.ref, "InvalidParameters", message, "spec.parametersRef.namespace", fix="remove the namespace")
    else:
        message = f"GatewayParameters {ref.name} not found; the defaults apply"
        yield Finding(obj.ref, "InvalidParameters", message, "spec.parametersRef.name", fix="create it")


def _gateway_profile(view: View, gateway: Ref) -> Profile | None:
    obj = view.get(gateway)
    return class_profile(view, obj.spec.gateway_class_name) if obj is not None else None


def _controllers(view: View) -> Mapping[str, Profile]:
    """Return the controllers whose classes are served, by name.

    Several adoptions may name one controller. Those that stand in for single classes come first, so that one for the
    controller itself wins.
    """
    adopted = sorted((obj.spec for obj in view.by("controllers", "*")), key=lambda spec: not spec.class_names)
    return {gw.CONTROLLER: Profile(gw.CONTROLLER), **{spec.controller_name: _profile_of(spec) for spec in adopted}}


def _virtual_classes(view: View) -> Mapping[str, Profile]:
    """Return the adopted classes that are served although no GatewayClass of the name exists."""
    adopted = (obj.spec for obj in view.by("controllers", "*"))
    return {name: _profile_of(spec) for spec in adopted for name in spec.class_names}


def _profile_of(spec: mirrorplane.AdoptedController) -> Profile:
    return Profile(spec.controller_name, _SHADOW_SUFFIX[spec.profile])


def _parameters(view: View, obj: Object[gw.GatewayClass]) -> mirrorplane.GatewayParameters | None:
    ref = obj.spec.parameters_ref
    if ref is None or (ref.group, ref.kind) != _PARAMETERS or ref.namespace:
        return None
    parameters: Object[mirrorplane.GatewayParameters] | None = view.get(
        Ref(mirrorplane.GATEWAY_PARAMETERS.key, "", ref.name)
    )
    return parameters.spec if parameters is not None else None
