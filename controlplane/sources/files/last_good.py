"""The state of one file after it was read again: owns the rule that a bad edit never removes what serves. Pure.

It looks at one file alone, before and after; see `ownership` for all files together.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Final

import msgspec

from mirrorplane.api.meta import AnyObject, Ref
from mirrorplane.controlplane.manifests.lines import Lines
from mirrorplane.controlplane.sources.files.reading import FileProblem, Manifest, Reading

Key = tuple[Ref, int]
"""A Ref, and which of its manifests in one file: 0 for the first. More than one is a mistake that gets a Finding."""

EMPTY_FILE: Final = FileProblem("the file is empty; delete it to remove its objects")


class Claim(msgspec.Struct, frozen=True, gc=False):
    """A valid object of a file, and its place in the file when it was read."""

    obj: AnyObject
    lines: Lines
    path: str

    def line(self, path: str = "") -> int:
        """Return the line of a field of the object, as the file was when the object was read."""
        return self.lines.line_of(f"{self.path}.{path}" if path else self.path)


class FileState(msgspec.Struct, frozen=True):
    """What one file contributes: its valid objects, and the last good ones of manifests that fail now.

    `flawed` are the manifests with findings, each with its Key (None without identity). `retained` are the objects that
    stay although the file no longer shows them; with a `problem` that is so for the whole file.
    """

    claims: Mapping[Key, Claim] = {}
    flawed: tuple[tuple[Key | None, Manifest], ...] = ()
    retained: frozenset[Key] = frozenset()
    problem: FileProblem | None = None
    ignored: tuple[str, ...] = ()


NO_STATE: Final = FileState()


def next_state(before: FileState, reading: Reading) -> FileState:
    """Return the state of a file, given its state before and how it reads now.

    * A file that is unusable, or empty where it had objects, keeps its objects.
    * A manifest that fails keeps only its own last good object.
    * While a manifest has no readable identity, objects that the file no longer shows are kept: it may be one of them.
    """
    problem = reading.problem or (EMPTY_FILE if reading.empty and before.claims else None)
    if problem:
        return FileState(before.claims, retained=frozenset(before.claims), problem=problem, ignored=before.ignored)
    keyed = _with_keys(reading.manifests)
    claims = {key: claim for key, manifest in keyed if key and (claim := _claim(key, manifest, before))}
    missing = before.claims.keys() - claims.keys()
    nameless = any(key is None and not manifest.decoded.ignored for key, manifest in keyed)
    retained = frozenset(missing) if nameless else frozenset()
    return FileState(
        claims={**claims, **{key: before.claims[key] for key in retained}},
        flawed=tuple((key, manifest) for key, manifest in keyed if manifest.decoded.findings),
        retained=retained,
        ignored=tuple(manifest.decoded.ignored for _, manifest in keyed if manifest.decoded.ignored),
    )


def _with_keys(manifests: tuple[Manifest, ...]) -> list[tuple[Key | None, Manifest]]:
    counts: Counter[Ref] = Counter()
    keyed: list[tuple[Key | None, Manifest]] = []
    for manifest in manifests:
        ref = manifest.decoded.ref
        keyed.append(((ref, counts[ref]) if ref else None, manifest))
        if ref:
            counts[ref] += 1
    return keyed


def _claim(key: Key, manifest: Manifest, before: FileState) -> Claim | None:
    obj = manifest.decoded.object
    return Claim(obj, manifest.lines, manifest.path) if obj else before.claims.get(key)
