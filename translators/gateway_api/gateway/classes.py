"""Which GatewayClasses are served here, and what they say of all of their Gateways."""

from collections.abc import Iterator, Mapping

import msgspec

from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds import mirrorplane
from mirrorplane.api.kinds.gateway_api import gateway_class as gw
from mirrorplane.api.meta import Object, Ref
from mirrorplane.api.view import View

_PARAMETERS = (mirrorplane.GATEWAY_PARAMETERS.group, mirrorplane.GATEWAY_PARAMETERS.name)


class Profile(msgspec.Struct, frozen=True):
    """What a class means for its routes. `shadow_suffix`: the copy's host gets Envoy's `-shadow`."""

    controller: str
    shadow_suffix: bool = False


_SUFFIXED = {"mirrorplane": False, "fsm": False, "kgateway": True}
"""Whether the products that we can stand in for let Envoy append to the copy's host."""


def profile(view: View, name: str) -> Profile | None:
    """Return what a class means, or None when it is not there or another controller's."""
    obj = view.get(Ref(gw.GATEWAY_CLASS.key, "", name))
    if obj is None:
        return view.memo(_stand_ins).get(name)
    adopted = view.memo(_controllers).get(obj.spec.controller_name)
    if adopted is None:
        return None
    said = _parameters(view, obj)
    return adopted if said is None else msgspec.structs.replace(adopted, shadow_suffix=said.shadow_host_suffix)


def profile_at(view: View, gateway: Ref) -> Profile | None:
    """Return what the class of a Gateway means; None when it is not there, or another controller's.

    Remembered by itself: thousands of routes ask, and what else a Gateway says is nothing to them.
    """
    found: Profile | None = view.memo(_profile_at, gateway)
    return found


def is_ours(view: View, obj: Object[gw.GatewayClass]) -> bool:
    """Tell whether a class is of a controller that is served here."""
    return obj.spec.controller_name in view.memo(_controllers)


def class_findings(view: View, obj: Object[gw.GatewayClass]) -> Iterator[Finding]:
    """Say what is wrong with the parameters of a class: then it is as if there were none."""
    said = obj.spec.parameters_ref
    if said is None or not is_ours(view, obj) or _parameters(view, obj) is not None:
        return
    if (said.group, said.kind) != _PARAMETERS:
        message = f"a {said.kind} of {said.group or 'the core group'} says nothing here: the defaults hold"
        fix = f"name a GatewayParameters of {mirrorplane.GROUP}"
        yield Finding(obj.ref, "InvalidParameters", message, "spec.parametersRef", fix=fix)
    elif said.namespace:
        message = "GatewayParameters are in no namespace: the defaults hold"
        yield Finding(obj.ref, "InvalidParameters", message, "spec.parametersRef.namespace", fix="leave it out")
    else:
        message = f"there is no GatewayParameters {said.name}: the defaults hold"
        yield Finding(obj.ref, "InvalidParameters", message, "spec.parametersRef.name", fix="create it")


def _profile_at(view: View, gateway: Ref) -> Profile | None:
    obj = view.get(gateway)
    return profile(view, obj.spec.gateway_class_name) if obj is not None else None


def _controllers(view: View) -> Mapping[str, Profile]:
    """Return the controllers whose classes are served, by name. What only stands in for classes says least of them."""
    said = sorted((obj.spec for obj in view.by("controllers", "*")), key=lambda one: not one.class_names)
    return {gw.CONTROLLER: Profile(gw.CONTROLLER), **{one.controller_name: _meant(one) for one in said}}


def _stand_ins(view: View) -> Mapping[str, Profile]:
    """Return the classes that are served without being there, by name."""
    said = (obj.spec for obj in view.by("controllers", "*"))
    return {name: _meant(one) for one in said for name in one.class_names}


def _meant(said: mirrorplane.AdoptedController) -> Profile:
    return Profile(said.controller_name, _SUFFIXED[said.profile])


def _parameters(view: View, obj: Object[gw.GatewayClass]) -> mirrorplane.CopiesAtGateways | None:
    said = obj.spec.parameters_ref
    if said is None or (said.group, said.kind) != _PARAMETERS or said.namespace:
        return None
    found: Object[mirrorplane.GatewayParameters] | None = view.get(
        Ref(mirrorplane.GATEWAY_PARAMETERS.key, "", said.name)
    )
    return found.spec.mirroring if found is not None else None
