"""Filters of other APIs that rules name (ExtensionRef). The one place that knows which there are."""

from collections.abc import Iterable

import msgspec

from mirrorplane.api.kinds.gateway_api.filters import HTTPRouteFilter
from mirrorplane.api.kinds.gateway_api.references import LocalObjectReference
from mirrorplane.api.kinds.kgateway.traffic_policy import TRAFFIC_POLICY, RequestMirrorPolicy
from mirrorplane.api.meta import Ref
from mirrorplane.api.view import View


class Extension(msgspec.Struct, frozen=True):
    """What a filter of another API comes to: what it says of copies, or why it cannot be resolved.

    The latter is Gateway API's reason and a sentence. Gateway API: such a filter must not be skipped, so that requests
    are answered with an error.
    """

    copies: RequestMirrorPolicy | None = None
    reason: str = ""
    problem: str = ""


def extension(view: View, about: Ref, said: LocalObjectReference) -> Extension:
    """Return what an object that a rule of another one names comes to there: kgateway's TrafficPolicy, or nothing."""
    if (said.group, said.kind) != (TRAFFIC_POLICY.group, TRAFFIC_POLICY.name):
        what = f"{said.kind} of {said.group or 'the core group'}"
        return Extension(None, "InvalidKind", f"a {what} is no filter that is known here")
    ref = Ref(TRAFFIC_POLICY.key, about.namespace, said.name)
    policy = view.get(ref)
    return (
        Extension(None, "BackendNotFound", f"there is no {ref}")
        if policy is None
        else Extension(policy.spec.request_mirror)
    )


def said_of_copies(view: View, about: Ref, filters: Iterable[HTTPRouteFilter]) -> RequestMirrorPolicy | None:
    """Return what the filters of a rule say of its copies, the first that says anything."""
    found = (extension(view, about, one.extension_ref) for one in filters if one.extension_ref is not None)
    return next((one.copies for one in found if one.copies is not None), None)
