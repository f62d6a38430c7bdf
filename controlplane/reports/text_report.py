"""`check -o text`: a line for each finding, as compilers print them."""

from mirrorplane.controlplane.findings.format import one_line
from mirrorplane.controlplane.reports.result import CheckResult, sentence


def report(result: CheckResult) -> str:
    """Return the lines; "" without findings."""
    lines = []
    for row in result.findings:
        place = f"{row.file}:{row.line}: " if row.line else f"{row.file}: " if row.file else ""
        code = f" [{row.code}]" if row.code else ""
        separator = ", " if row.object or row.path else ": "
        lines.append(one_line(f"{place}{row.severity} {row.reason}{code}{separator}{sentence(row)}") + "\n")
    return "".join(lines)
