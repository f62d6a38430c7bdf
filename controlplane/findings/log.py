"""Logs findings as they appear and as they are resolved. Only `serve` has such a log."""

import logging

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.controlplane.engine.executor import CooperativeExecutor
from mirrorplane.controlplane.findings.format import finding_line

log = logging.getLogger(__name__)
audit = logging.getLogger("mirrorplane.audit")
"""Who copies whose requests: a line when it begins and one when it ends, none of them left out."""
_AUDITED = frozenset({"CrossNamespaceMirror"})
_MOST_LINES = 100
"""How many findings of one kind of change are logged one by one: a bad edit of a template may make thousands."""


class FindingLog:
    """Compares each list of findings with the one before. Long lists are compared in slices."""

    def __init__(self, executor: CooperativeExecutor) -> None:
        self._executor = executor
        self._last: tuple[Finding, ...] = ()

    async def update(self, findings: tuple[Finding, ...]) -> None:
        """Log what is new, and what is resolved, since the last list."""
        before, self._last = self._last, findings
        if findings is before:
            return
        new = await self._executor.run(lambda: self._without(findings, before))
        resolved = await self._executor.run(lambda: self._without(before, findings))
        _log(new, logging.WARNING, "")
        _log(resolved, logging.INFO, "resolved: ")

    def _without(self, findings: tuple[Finding, ...], excluded: tuple[Finding, ...]) -> list[Finding]:
        """Return the findings that are not among the excluded ones, in their order."""
        exclusions = set(self._executor.paced(excluded))
        return [finding for finding in self._executor.paced(findings) if finding not in exclusions]


def _log(findings: list[Finding], level: int, prefix: str) -> None:
    audited = [finding for finding in findings if finding.reason in _AUDITED]
    for finding in audited:
        audit.warning("audit: %s%s", prefix, finding_line(finding))
    findings = [finding for finding in findings if finding.reason not in _AUDITED] if audited else findings
    for finding in sorted(findings, key=_is_no_error)[:_MOST_LINES]:  # warnings are cut off first
        log.log(level, "%s%s", prefix, finding_line(finding))
    if len(findings) > _MOST_LINES:
        more = len(findings) - _MOST_LINES
        log.log(level, "%sand %d more: see `mirrorplane check` or /debug/findings", prefix, more)


def _is_no_error(finding: Finding) -> bool:
    return finding.severity is not Severity.ERROR
