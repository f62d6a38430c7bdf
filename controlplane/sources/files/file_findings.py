"""What there is to say about a file: owns the Findings of the file source, with file, line and what goes on serving.

Separate from the world because a sentence depends on all of it (who serves, from where, at which generation) and
changes nothing in it. Pure.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.meta import Ref
from mirrorplane.controlplane.sources.files.last_good import Holding, Key
from mirrorplane.controlplane.sources.files.ownership import World

UNUSABLE_FILE: Final = "UnusableFile"
DUPLICATE: Final = "Duplicate"


def remarks(world: World, path: str) -> tuple[Finding, ...]:
    """Return all findings about one file as the world stands, in the order of the file."""
    held = world.files.get(path)
    if held is None:
        return ()
    said = [
        *_about_file(world, path, held),
        *_about_manifests(world, path, held),
        *_about_duplicates(world, path, held),
    ]
    return tuple(sorted(said, key=lambda finding: finding.line))


def _about_file(world: World, path: str, held: Holding) -> Iterator[Finding]:
    if held.problem:
        message = held.problem.message + _still(world, path, held.kept)
        yield Finding(Ref("", "", path), UNUSABLE_FILE, message, file=path, line=held.problem.line)


def _about_manifests(world: World, path: str, held: Holding) -> Iterator[Finding]:
    for key, found in held.found:
        failed = not found.decoded.object and not found.decoded.ignored
        still = _still(world, path, frozenset({key}) if key else held.kept) if failed else ""
        where = f" (document {found.document})" if found.document > 1 else ""
        for finding in found.decoded.findings:
            message = finding.message + (where + still if finding.severity is Severity.ERROR else "")
            yield msgspec.structs.replace(finding, message=message, file=path, line=found.line(finding.path))


def _about_duplicates(world: World, path: str, held: Holding) -> Iterator[Finding]:
    for (ref, number), claim in held.claims.items():
        if (ref, number) in held.kept or world.serves(path, ref, number):
            continue
        owner = world.serving[ref].owner
        first = f"{owner[0]}:{world.claim(ref, owner).line('metadata.name')}"
        yield Finding(
            about=ref,
            reason=DUPLICATE,
            message=f"{ref} is defined in {first}, which serves; this one does not",
            path="metadata.name",
            fix="remove or rename one of them",
            file=path,
            line=claim.line("metadata.name"),
        )


def _still(world: World, path: str, keys: frozenset[Key]) -> str:
    """Say what goes on serving although the file does not show it, or not well."""
    serving = sorted(key for key in keys if world.serves(path, *key))
    if len(serving) > 1:
        return f"; serving the {len(serving)} objects last read from it"
    return "".join(f"; serving generation {world.serving[ref].obj.generation} of {ref}" for ref, _ in serving)
