"""Policies of other control planes: read to report that they are not enforced here, where silence would deceive."""

from mirrorplane.api.kinds.gateway_api import GROUP
from mirrorplane.api.kinds.gateway_api.gateway import GATEWAY
from mirrorplane.api.kinds.gateway_api.listener_set import LISTENER_SET
from mirrorplane.api.mesh import Lowered
from mirrorplane.api.meta import AnyObject, Ref
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Input
from mirrorplane.translators.gateway_api.attachment.parents import has_served_parent, serving_gateway
from mirrorplane.translators.gateway_api.attachment.service_parents import has_service_parent
from mirrorplane.translators.settings import mesh
from mirrorplane.translators.unenforced.selection import selection_of
from mirrorplane.translators.unenforced.table import ROWS, effect_findings


def lower(view: View, obj: AnyObject) -> Lowered:
    """Return the findings about a policy, and what it selects; nothing where others enforce it, or it forbids nothing.

    A policy whose targets are all served by other controllers is theirs. One whose targets are missing is reported: it
    was written for something.
    """
    findings = tuple(effect_findings(obj))
    policy = selection_of(ROWS[obj.ref.kind], obj, view.memo(mesh).root_namespace) if findings else None
    if policy is None:
        return Lowered(findings=findings)
    by_name_only = policy.targets and not policy.selectors
    if by_name_only and not any(_may_be_served(view, target) for target in policy.targets):
        return Lowered()
    return Lowered(unenforced=(policy,), findings=findings)


def _may_be_served(view: View, target: Ref) -> bool:
    obj = view.get(target)
    if obj is None or not target.kind.startswith(f"{GROUP}/"):
        return True
    if target.kind in {GATEWAY.key, LISTENER_SET.key}:
        return serving_gateway(view, target) is not None
    is_route = hasattr(obj.spec, "parent_refs")
    return not is_route or has_served_parent(view, obj) or has_service_parent(view, obj)


INPUT = Input(
    kinds=tuple(row.kind for row in ROWS.values()),
    lower=lower,
    indexes={"unenforced": lambda _: ("*",)},
)
"""Every kind of the table. Nothing of a spec is validated: it is other controllers' to refuse."""
