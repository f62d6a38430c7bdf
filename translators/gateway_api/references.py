"""References from objects of Gateway API to others, and why one cannot be used."""

import msgspec

from mirrorplane.api.mesh import Service
from mirrorplane.api.meta import Ref
from mirrorplane.api.view import View
from mirrorplane.translators.secrets.reference_grants import is_permitted

NOT_PERMITTED = "RefNotPermitted"


class RefProblem(msgspec.Struct, frozen=True):
    """Why a reference cannot be used: the reason of the condition, the field below the reference, and what to do."""

    reason: str
    field: str
    message: str
    fix: str = ""


def grant_problem(view: View, about: Ref, target: Ref) -> RefProblem | None:
    """Return why an object may not refer to one of another namespace. Gateway API: that needs a ReferenceGrant there.

    Ask this before whether the target exists: without a grant, its owner does not want that known.
    """
    if is_permitted(view, about, target):
        return None
    kind = about.kind.rpartition("/")[2]
    message = f"no ReferenceGrant in namespace {target.namespace} allows {kind}s of {about.namespace} to use {target}"
    return RefProblem(NOT_PERMITTED, "namespace", message, f"create a ReferenceGrant in namespace {target.namespace}")


def find_service(view: View, ref: Ref) -> Service | None:
    """Return the Service of a reference; None for an ExternalName.

    Gateway API: implementations should not support those, because they would reach around ReferenceGrants.
    """
    services = view.lowered(ref).services
    return next((service for service in services if not service.external_name), None)


def not_allowed(gateway: Ref, namespace: str) -> str:
    """Return the message for a ListenerSet of a namespace that may not join a Gateway."""
    return f"{gateway} does not allow ListenerSets of namespace {namespace}; the listeners are not served"


def group_name(group: str) -> str:
    """Return an API group as messages name it."""
    return group or "the core group"
