"""Where each field of a document stands in its file: owns the line index, so that findings can point at a line.

Separate from the reader because it outlives it: the values of a document are dropped once decoded, the lines stay.
It costs 16 bytes for each field: three parallel columns, in the order of the text. A collection of more than a few
entries gets an index when the first question about it comes, so that many questions about one file stay cheap.
"""

import re
from array import array
from collections.abc import Iterator, Sequence
from typing import Final

_STEP: Final = re.compile(r"\.?([^.\[\]]+)|\[([^\]]*)\]")
_FEW: Final = 16
_NUMBER: Final = re.compile("0|[1-9][0-9]{0,9}")

_Index = dict[str, int] | Sequence[int]
"""The entries of a mapping by key, or those of a sequence by number."""


class Lines:
    """The 1-based line of every mapping key and sequence item of one document.

    Entry `i` is one key (`keys[i]`) or item (`keys[i]` is None) and its subtree: entries `i` to `i + spans[i]`.
    `blocks` are the entries whose value is a literal text (`|`), which has the lines of the file.
    """

    __slots__ = ("_indexes", "blocks", "keys", "lines", "root", "spans")

    def __init__(self, root: int) -> None:
        self.root = root
        self.keys: list[str | None] = []
        self.lines = array("I")
        self.spans = array("I")
        self.blocks: list[int] = []
        self._indexes: dict[int, _Index] = {}

    def of(self, path: str) -> int:
        """Return the line of a path in kubectl's spelling, or of its nearest parent that is written in the text.

        Ask when the document is complete. All questions together cost no more than its size and their number.
        """
        found = self._way(path)
        return self.lines[found[-1]] if found else self.root

    def graft(self, path: str, inner: "Lines") -> None:
        """Take in the lines of a document that stands as a literal text at a path, so that its fields have theirs.

        Of a text that is written otherwise nobody can tell the lines: it keeps its own.
        """
        way = self._way(path)
        if not way or way[-1] not in self.blocks:
            return
        at, first, size = way[-1] + 1, self.lines[way[-1]], len(inner.keys)
        self.keys[at:at] = inner.keys
        self.lines[at:at] = array("I", (first + line for line in inner.lines))
        self.spans[at:at] = inner.spans
        for entry in way:
            self.spans[entry] += size
        self.blocks = [entry + size if entry >= at else entry for entry in self.blocks]
        self._indexes = {}

    def _way(self, path: str) -> list[int]:
        """Return the entries of the steps of a path, as far as they are written in the text."""
        way, start, end = [], 0, len(self.keys)
        for name, index in _STEP.findall(path):
            entry = _pick(self._index(start, end), name or index)
            if entry < 0:
                break
            way.append(entry)
            start, end = entry + 1, entry + self.spans[entry]
        return way

    def find(self, step: str, start: int, end: int) -> int:
        """Return the entry of a key among the siblings from `start`, also while they grow; -1 when absent."""
        return next((entry for entry in self._siblings(start, end) if self.keys[entry] == step), -1)

    def _siblings(self, start: int, end: int) -> Iterator[int]:
        entry = start
        while entry < end:
            yield entry
            entry += self.spans[entry]

    def _index(self, start: int, end: int) -> _Index:
        found = self._indexes.get(start)
        if found is None:
            found = self._built(start, end)
            if len(found) > _FEW:  # fewer are found again in no time, and would only take room
                self._indexes[start] = found
        return found

    def _built(self, start: int, end: int) -> _Index:
        if start < end and self.keys[start] is None:
            return array("I", self._siblings(start, end))
        return {key: entry for entry in self._siblings(start, end) if (key := self.keys[entry]) is not None}


def _pick(index: _Index, step: str) -> int:
    """Return the entry of a key or of an item's number as it is written in a path; -1 when there is none."""
    if isinstance(index, dict):
        return index.get(step, -1)
    position = int(step) if _NUMBER.fullmatch(step) else len(index)
    return index[position] if position < len(index) else -1
