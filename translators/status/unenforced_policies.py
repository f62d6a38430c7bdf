"""The status of policies that are not enforced here: one condition, of a type that no other controller writes."""

from mirrorplane.api.meta import AnyObject
from mirrorplane.api.status import FALSE, Condition, Status
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Report
from mirrorplane.translators.findings import findings_about
from mirrorplane.translators.unenforced.policy_kind import Selection
from mirrorplane.translators.unenforced.table import NOT_ENFORCED, ROWS

_ENFORCED = "mirrorplane.io/Enforced"


def status(view: View, obj: AnyObject) -> Status | None:
    """Return the status; None for a policy of which nothing is missing here, which other controllers report."""
    missing = [finding for finding in findings_about(view, obj.ref) if finding.reason == NOT_ENFORCED]
    if not missing:
        return None
    message = "; ".join(f"{finding.path}: {finding.message}" for finding in missing)
    return Status((Condition(_ENFORCED, FALSE, NOT_ENFORCED, message),))


REPORT = Report(kinds=tuple(row.kind for row in ROWS.values() if row.selection is not Selection.NONE), status=status)
