"""Objects -> their status: one file for each kind, or for kinds with the same status. See `status_of`."""

import sys
from collections.abc import Mapping
from functools import cache

from mirrorplane.api.meta import Ref
from mirrorplane.api.status import Status
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Report, discover


def status_of(view: View, ref: Ref) -> Status | None:
    """Return the status of an object; None where it is not ours to write."""
    obj, report = view.get(ref), _reports().get(ref.kind)
    return report.status(view, obj) if obj is not None and report is not None else None


def has_status(ref: Ref) -> bool:
    """Tell whether objects of this kind have a status of ours."""
    return ref.kind in _reports()


@cache
def _reports() -> Mapping[str, Report]:
    reports = discover(sys.modules[__name__], "REPORT", Report).values()
    return {kind.key: report for report in reports for kind in report.kinds}
