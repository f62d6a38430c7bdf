"""Policies of other control planes: read to report that they are not enforced here, where silence would deceive."""

from mirrorplane.api.mesh import Lowered
from mirrorplane.api.meta import AnyObject
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Input
from mirrorplane.translators.gateway_api.attachment.policy_targets import may_be_served, selected_targets
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
    targets = (*policy.targets, *selected_targets(view, policy.selectors))
    if targets and not any(may_be_served(view, target) for target in targets):
        return Lowered()
    return Lowered(unenforced=(policy,), findings=findings)


INPUT = Input(
    kinds=tuple(row.kind for row in ROWS.values()),
    lower=lower,
    indexes={"unenforced": lambda _: ("*",)},
)
"""Every kind of the table. Nothing of a spec is validated: it is other controllers' to refuse."""
