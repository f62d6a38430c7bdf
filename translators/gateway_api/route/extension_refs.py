"""ExtensionRef filters: objects of other APIs that rules refer to. The one place that knows which are supported."""

from collections.abc import Iterable

import msgspec

from mirrorplane.api.kinds.gateway_api.filters import HTTPRouteFilter
from mirrorplane.api.kinds.gateway_api.references import LocalObjectReference
from mirrorplane.api.kinds.kgateway.traffic_policy import TRAFFIC_POLICY, RequestMirrorPolicy
from mirrorplane.api.meta import Ref
from mirrorplane.api.view import View
from mirrorplane.translators.gateway_api.attachment.traffic_policies import UNSUPPORTED_FIELD, unsupported_fields
from mirrorplane.translators.gateway_api.references import RefProblem, group_name


class Extension(msgspec.Struct, frozen=True):
    """What an ExtensionRef filter sets for mirrors, or why it cannot be applied.

    Gateway API: such a filter must not be skipped, so requests are answered with an error instead.
    """

    mirrors: RequestMirrorPolicy | None = None
    problem: RefProblem | None = None


def extension(view: View, about: Ref, ref: LocalObjectReference) -> Extension:
    """Return what a reference of a rule leads to: kgateway's TrafficPolicy, or a problem."""
    if (ref.group, ref.kind) != (TRAFFIC_POLICY.group, TRAFFIC_POLICY.name):
        message = f"{ref.kind} of {group_name(ref.group)} is not supported as a filter"
        return Extension(problem=RefProblem("InvalidKind", "extensionRef", message))
    target = Ref(TRAFFIC_POLICY.key, about.namespace, ref.name)
    policy = view.get(target)
    if policy is None:
        # Gateway API has no reason of its own for a filter's missing target.
        return Extension(problem=RefProblem("BackendNotFound", "extensionRef", f"{target} not found", "create it"))
    if unsupported := [field for field, _ in unsupported_fields(policy)]:
        message = f"{target} has fields that are not supported: {', '.join(unsupported)}"
        return Extension(policy.spec.request_mirror, RefProblem(UNSUPPORTED_FIELD, "extensionRef", message))
    return Extension(policy.spec.request_mirror)


def mirror_policy(view: View, about: Ref, filters: Iterable[HTTPRouteFilter]) -> RequestMirrorPolicy | None:
    """Return the first policy for mirrors that the filters of a rule refer to."""
    policies = (extension(view, about, f.extension_ref) for f in filters if f.extension_ref is not None)
    return next((policy.mirrors for policy in policies if policy.mirrors is not None), None)
