"""The Findings of the file source: owns their sentences, with file, line, and what keeps serving meanwhile.

Separate from the ownership because a sentence depends on all of it (which file serves a Ref, at which generation) and
changes nothing in it. Pure.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.meta import Ref
from mirrorplane.controlplane.sources.files.last_good import FileState, Key
from mirrorplane.controlplane.sources.files.missing import MANY_S, Missing
from mirrorplane.controlplane.sources.files.ownership import FileIndex

UNUSABLE_FILE: Final = "UnusableFile"
DUPLICATE: Final = "Duplicate"
FILES_MISSING: Final = "FilesMissing"


def file_findings(index: FileIndex, path: str) -> tuple[Finding, ...]:
    """Return all findings about one file, in the order of the file."""
    state = index.files.get(path)
    if state is None:
        return ()
    findings = [
        *_unusable_file(index, path, state),
        *_flawed_manifests(index, path, state),
        *_duplicates(index, path, state),
    ]
    return tuple(sorted(findings, key=lambda finding: finding.line))


def missing_finding(root: str, missing: Missing) -> Finding:
    """Return the Finding about many files of a given folder that are missing at once."""
    vanished = f"{len(missing.paths)} of {missing.known} files vanished at once"
    return Finding(
        Ref("", "", root),
        FILES_MISSING,
        f"{vanished}; their objects keep serving until the folder has not changed for {MANY_S:g} s",
        severity=Severity.WARNING,
        fix="if they are being replaced, put the new files in place; if they were deleted on purpose, wait",
        file=root,
    )


def _unusable_file(index: FileIndex, path: str, state: FileState) -> Iterator[Finding]:
    if state.problem:
        message = state.problem.message + _still_serving(index, path, state.retained)
        yield Finding(Ref("", "", path), UNUSABLE_FILE, message, file=path, line=state.problem.line)


def _flawed_manifests(index: FileIndex, path: str, state: FileState) -> Iterator[Finding]:
    for key, manifest in state.flawed:
        failed = not manifest.decoded.object and not manifest.decoded.ignored
        still = _still_serving(index, path, frozenset({key}) if key else state.retained) if failed else ""
        where = f" (document {manifest.document})" if manifest.document > 1 else ""
        for finding in manifest.decoded.findings:
            message = finding.message + (where + still if finding.severity is Severity.ERROR else "")
            yield msgspec.structs.replace(finding, message=message, file=path, line=manifest.line(finding.path))


def _duplicates(index: FileIndex, path: str, state: FileState) -> Iterator[Finding]:
    for (ref, number), claim in state.claims.items():
        if (ref, number) in state.retained or index.serves(path, ref, number):
            continue
        owner = index.serving[ref].owner
        in_use = f"{owner[0]}:{index.claim(ref, owner).line('metadata.name')}"
        yield Finding(
            about=ref,
            reason=DUPLICATE,
            message=f"duplicate definition of {ref}: the one in {in_use} is in use, this one is ignored",
            path="metadata.name",
            fix="remove or rename one of them",
            file=path,
            line=claim.line("metadata.name"),
        )


def _still_serving(index: FileIndex, path: str, keys: frozenset[Key]) -> str:
    """Name the objects that keep serving although the file does not define them any more, or not validly."""
    serving = sorted(key for key in keys if index.serves(path, *key))
    if len(serving) > 1:
        return f"; still serving the {len(serving)} objects last read from it"
    return "".join(f"; still serving generation {index.serving[ref].obj.generation} of {ref}" for ref, _ in serving)
