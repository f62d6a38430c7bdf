"""Findings as one line of text and as plain values, shared by the CLI, the log and the admin pages."""

from typing import Any

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.translators.istio.analyzer_codes import code_of


def finding_line(finding: Finding) -> str:
    """Return `file:line: error Reason [IST0101], VirtualService default/httpbin, spec.http[0].x: sentence (fix)`."""
    place = f"{finding.file}:{finding.line}" if finding.line else finding.file
    where = f"{place}: " if place else ""
    about = f", {finding.about}" if finding.about.kind else ""
    path = f", {finding.path}" if finding.path else ""
    fix = f" ({finding.fix})" if finding.fix else ""
    code = f" [{code_of(finding)}]" if code_of(finding) else ""
    return one_line(f"{where}{finding.severity.value} {finding.reason}{code}{about}{path}: {finding.message}{fix}")


def one_line(text: str) -> str:
    """Show control characters as escapes: what a user or a proxy wrote must not forge lines or colours."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def finding_row(finding: Finding) -> dict[str, Any]:
    """Return a finding as plain values."""
    return {
        "severity": finding.severity.value,
        "reason": finding.reason,
        "code": code_of(finding),
        "object": str(finding.about) if finding.about.kind else "",
        "path": finding.path,
        "message": finding.message,
        "fix": finding.fix,
        "file": finding.file,
        "line": finding.line,
    }


def has_errors(findings: tuple[Finding, ...]) -> bool:
    """Tell whether any finding is an error."""
    return any(f.severity is Severity.ERROR for f in findings)
