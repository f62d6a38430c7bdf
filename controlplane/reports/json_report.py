"""`check -o json`: the findings as the admin API has them, and the numbers."""

import msgspec

from mirrorplane.controlplane.reports.result import ERROR, WARNING, CheckResult


def report(result: CheckResult) -> str:
    """Return one JSON object."""
    value = {
        "objects": result.objects,
        "errors": result.count(ERROR),
        "warnings": result.count(WARNING),
        "suppressed": result.suppressed,
        "ignored": result.ignored,
        "findings": result.findings,
    }
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"
