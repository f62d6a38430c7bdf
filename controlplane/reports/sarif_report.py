"""`check -o sarif`: SARIF 2.1.0 (OASIS), which GitHub code scanning, GitLab and editors read."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mirrorplane import __version__
from mirrorplane.controlplane.configured_sources import STDIN
from mirrorplane.controlplane.query.objects import FindingRow
from mirrorplane.controlplane.reports.result import CheckResult, sentence

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_FINGERPRINT = "mirrorplane/v1"


def report(result: CheckResult) -> str:
    """Return one log with one run. A rule is a finding code."""
    codes = sorted({row.reason for row in result.findings})
    driver = {"name": "mirrorplane", "version": __version__, "rules": [{"id": code} for code in codes]}
    results = [_result(row, codes) for row in result.findings]
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}
    return json.dumps(log, indent=2) + "\n"


def _result(row: FindingRow, codes: list[str]) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": row.reason,
        "ruleIndex": codes.index(row.reason),
        "level": row.severity,
        "message": {"text": sentence(row)},
        "locations": [_location(row)],
        # Without the line, so that a finding that only moves stays the same one.
        "partialFingerprints": {_FINGERPRINT: _digest(row.reason, row.object, row.path, row.message)},
    }
    if row.code:
        result["properties"] = {"tags": [row.code]}
    return result


def _location(row: FindingRow) -> dict[str, Any]:
    location: dict[str, Any] = {}
    if row.file and row.file != STDIN:
        location["physicalLocation"] = {"artifactLocation": {"uri": _uri(row.file)}}
        if row.line:
            location["physicalLocation"]["region"] = {"startLine": row.line}
    if row.object:
        location["logicalLocations"] = [{"fullyQualifiedName": f"{row.object} {row.path}".strip(), "kind": "object"}]
    return location


def _uri(file: str) -> str:
    """Return a path relative to the working folder, which is the repository's in CI; others as file URIs."""
    path = Path(file)
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())


def _digest(*texts: str) -> str:
    return sha256("\0".join(texts).encode()).hexdigest()[:32]
