"""`check -o github`: workflow commands, which GitHub Actions shows as annotations of the pull request.

Source: GitHub Docs, Workflow commands for GitHub Actions; the escapes are those of actions/toolkit.
"""

from mirrorplane.controlplane.findings.format import one_line
from mirrorplane.controlplane.query.objects import FindingRow
from mirrorplane.controlplane.reports.result import CheckResult, sentence

_DATA = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_PROPERTY = {**_DATA, ":": "%3A", ",": "%2C"}


def report(result: CheckResult) -> str:
    """Return a command for each finding."""
    return "".join(
        f"::{row.severity} {_properties(row)}::{_escaped(one_line(sentence(row)), _DATA)}\n" for row in result.findings
    )


def _properties(row: FindingRow) -> str:
    title = f"{row.reason} [{row.code}]" if row.code else row.reason
    properties = {"file": row.file, "line": str(row.line or ""), "title": title}
    return ",".join(f"{name}={_escaped(value, _PROPERTY)}" for name, value in properties.items() if value)


def _escaped(text: str, escapes: dict[str, str]) -> str:
    return "".join(escapes.get(character, character) for character in text)
