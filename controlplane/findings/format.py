"""Findings as lines of text, for the CLI and the log; `query/objects.py` has their rows."""

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
    """Escape control characters: text from users and proxies must not forge lines or colours."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def has_errors(findings: tuple[Finding, ...]) -> bool:
    """Tell whether any finding is an error."""
    return any(finding.severity is Severity.ERROR for finding in findings)
