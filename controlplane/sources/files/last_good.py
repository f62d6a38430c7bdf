"""What one file holds after it was read again: owns the rule that a bad edit never removes what serves. Pure.

Separate from the world of all files because this looks at one file alone, before and after.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Final

import msgspec

from mirrorplane.api.meta import AnyObject, Ref
from mirrorplane.controlplane.manifests.lines import Lines
from mirrorplane.controlplane.sources.files.reading import Found, Problem, Reading

Key = tuple[Ref, int]
"""A Ref, and which of its manifests in one file: 0 for the first. More than one is a mistake that gets a Finding."""

EMPTY_FILE: Final = Problem("the file is empty; delete it to remove its objects")


class Claim(msgspec.Struct, frozen=True, gc=False):
    """A good object of a file, and where it stood when it was read."""

    obj: AnyObject
    lines: Lines
    path: str

    def line(self, path: str = "") -> int:
        """Return the line of a field of the object, as the file was when the object was read."""
        return self.lines.of(f"{self.path}.{path}" if path else self.path)


class Holding(msgspec.Struct, frozen=True):
    """What one file holds: its good objects, the last good ones of manifests that fail now, and what was found.

    `found` are the manifests there is something to say of, each with its Key (None without identity). `kept` are the
    objects that go on although the file no longer shows them; `problem` is set when that is so for the whole file.
    """

    claims: Mapping[Key, Claim] = {}
    found: tuple[tuple[Key | None, Found], ...] = ()
    kept: frozenset[Key] = frozenset()
    problem: Problem | None = None
    ignored: tuple[str, ...] = ()


NOTHING: Final = Holding()


def hold(before: Holding, reading: Reading) -> Holding:
    """Return what a file holds, given what it held and what it reads as now.

    * A file that cannot be used, or is empty where it held objects, holds what it held.
    * A manifest that fails keeps only its own last good object.
    * While a manifest has no readable identity, objects that are not found any more are kept: it may be one of them.
    """
    problem = reading.problem or (EMPTY_FILE if reading.empty and before.claims else None)
    if problem:
        return Holding(before.claims, kept=frozenset(before.claims), problem=problem, ignored=before.ignored)
    numbered = _numbered(reading.found)
    claims = {key: claim for key, found in numbered if key and (claim := _claim(key, found, before))}
    lost = before.claims.keys() - claims.keys()
    nameless = any(key is None and not found.decoded.ignored for key, found in numbered)
    kept = frozenset(lost) if nameless else frozenset()
    return Holding(
        claims={**claims, **{key: before.claims[key] for key in kept}},
        found=tuple((key, found) for key, found in numbered if found.decoded.findings),
        kept=kept,
        ignored=tuple(found.decoded.ignored for _, found in numbered if found.decoded.ignored),
    )


def _numbered(manifests: tuple[Found, ...]) -> list[tuple[Key | None, Found]]:
    seen: Counter[Ref] = Counter()
    numbered: list[tuple[Key | None, Found]] = []
    for found in manifests:
        ref = found.decoded.ref
        numbered.append(((ref, seen[ref]) if ref else None, found))
        if ref:
            seen[ref] += 1
    return numbered


def _claim(key: Key, found: Found, before: Holding) -> Claim | None:
    obj = found.decoded.object
    return Claim(obj, found.lines, found.path) if obj else before.claims.get(key)
