"""A made-up input API, MirrorPolicy: guards, headers and a host for the mirrors of rules.

A VirtualService names the policy of each mirror of its rules, in order, in the annotation `mirror-policies`.
"""

from collections.abc import Mapping
from functools import cache

import msgspec

from mirrorplane.api.actions import HeaderChanges
from mirrorplane.api.kinds.istio.virtual_service import VirtualService
from mirrorplane.api.mesh import Lowered
from mirrorplane.api.meta import Kind, Object, Ref, Wire
from mirrorplane.api.mirrors import Guards, MirrorProfile
from mirrorplane.api.routes import Forward, Route
from mirrorplane.api.view import View
from mirrorplane.controlplane.engine.catalogue import Catalogue, catalogue
from mirrorplane.translators.contract import Input
from mirrorplane.translators.inputs import istio_virtual_service


class MirrorPolicy(Wire, frozen=True):
    """What a MirrorPolicy says of copies."""

    max_body_bytes: int = 0
    headers: Mapping[str, str] = {}
    remove: tuple[str, ...] = ()
    host: str = ""


MIRROR_POLICY = Kind("test.mirrorplane.io", ("v1",), "MirrorPolicy", MirrorPolicy)
_VIRTUAL_SERVICES = istio_virtual_service.INPUT


def profile_name(policy: str) -> str:
    """The name of the profile of a policy of the namespace `default`."""
    return MirrorProfile(Ref(MIRROR_POLICY.key, "default", policy)).name


def policy_manifest(name: str, spec: Mapping[str, object]) -> str:
    head = {"apiVersion": "test.mirrorplane.io/v1", "kind": "MirrorPolicy", "metadata": {"name": name}}
    return msgspec.json.encode({**head, "spec": spec}).decode() + "\n"


@cache
def catalogue_with_policies() -> Catalogue:
    """What this build can read, and MirrorPolicies."""
    base = catalogue()
    inputs = tuple(i for i in base.inputs if i is not _VIRTUAL_SERVICES)
    rules = msgspec.structs.replace(_VIRTUAL_SERVICES, lower=_lower_rules)
    return msgspec.structs.replace(base, inputs=(*inputs, rules, Input((MIRROR_POLICY,), _lower_policy)))


def _lower_policy(_: View, obj: Object[MirrorPolicy]) -> Lowered:
    spec = obj.spec
    profile = MirrorProfile(
        obj.ref,
        guards=Guards(max_body_bytes=spec.max_body_bytes) if spec.max_body_bytes else None,
        headers=HeaderChanges(set=tuple(spec.headers.items()), remove=spec.remove),
        host=spec.host,
    )
    return Lowered(mirror_profiles=(profile,))


def _lower_rules(view: View, obj: Object[VirtualService]) -> Lowered:
    lowered = _VIRTUAL_SERVICES.lower(view, obj)
    policies = obj.annotations.get("mirror-policies", "").split()
    tables = tuple(
        msgspec.structs.replace(table, routes=tuple(_with_profiles(route, policies) for route in table.routes))
        for table in lowered.tables
    )
    return msgspec.structs.replace(lowered, tables=tables)


def _with_profiles(route: Route, policies: list[str]) -> Route:
    if not isinstance(route.action, Forward):
        return route
    mirrors = tuple(
        msgspec.structs.replace(mirror, profile=profile_name(policy))
        for mirror, policy in zip(route.action.mirrors, policies, strict=True)
    )
    return msgspec.structs.replace(route, action=msgspec.structs.replace(route.action, mirrors=mirrors))
