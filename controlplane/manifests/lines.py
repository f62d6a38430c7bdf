"""The line of each field of a document: owns the line index, so that findings can point at a line.

Separate from the reader because it outlives it: the values of a document are dropped once decoded, the lines stay.
It costs 16 bytes for each field: three parallel columns, in the order of the text. A collection of more than a few
entries gets an index with the first query, so that many queries about one file stay cheap.
"""

import re
from array import array
from collections.abc import Iterator, Sequence
from typing import Final

_STEP: Final = re.compile(r"\.?([^.\[\]]+)|\[([^\]]*)\]")
_FEW: Final = 16
# At most ten digits: Python's `int` refuses texts of thousands.
_NUMBER: Final = re.compile("0|[1-9][0-9]{0,9}")

_Index = dict[str, int] | Sequence[int]
"""The entries of a mapping by key, or those of a sequence by number."""


class Lines:
    """The 1-based line of every mapping key and sequence item of one document.

    Entry `i` is one key (`keys[i]`) or item (`keys[i]` is None) and its subtree: entries `i` to `i + spans[i]`.
    `blocks` are the entries whose value is a literal block scalar (`|`): its lines are lines of the file.
    """

    __slots__ = ("_indexes", "blocks", "keys", "lines", "root", "spans")

    def __init__(self, root: int) -> None:
        self.root = root
        self.keys: list[str | None] = []
        self.lines = array("I")
        self.spans = array("I")
        self.blocks: list[int] = []
        self._indexes: dict[int, _Index] = {}

    def line_of(self, path: str) -> int:
        """Return the line of a path in kubectl's spelling, or of its nearest parent that is written in the text.

        For a complete document only. All calls together cost no more than its size and their number.
        """
        entries = self._walk(path)
        return self.lines[entries[-1]] if entries else self.root

    def graft(self, path: str, inner: "Lines") -> None:
        """Insert the lines of a document that is a literal block scalar (`|`) at a path, so that its fields have lines.

        In a string of another style line ends do not correspond to those of the file: it keeps its own line only.
        """
        entries = self._walk(path)
        if not entries or entries[-1] not in self.blocks:
            return
        start, offset, size = entries[-1] + 1, self.lines[entries[-1]], len(inner.keys)
        self.keys[start:start] = inner.keys
        self.lines[start:start] = array("I", (offset + line for line in inner.lines))
        self.spans[start:start] = inner.spans
        for entry in entries:
            self.spans[entry] += size
        self.blocks = [entry + size if entry >= start else entry for entry in self.blocks]
        self._indexes = {}

    def _walk(self, path: str) -> list[int]:
        """Return the entries of the steps of a path, as far as they are written in the text."""
        entries, start, end = [], 0, len(self.keys)
        for name, index in _STEP.findall(path):
            entry = _pick(self._index(start, end), name or index)
            if entry < 0:
                break
            entries.append(entry)
            start, end = entry + 1, entry + self.spans[entry]
        return entries

    def find(self, step: str, start: int, end: int) -> int:
        """Return the entry of a key among the siblings from `start`, also while they grow; -1 when absent."""
        return next((entry for entry in self._siblings(start, end) if self.keys[entry] == step), -1)

    def _siblings(self, start: int, end: int) -> Iterator[int]:
        entry = start
        while entry < end:
            yield entry
            entry += self.spans[entry]

    def _index(self, start: int, end: int) -> _Index:
        index = self._indexes.get(start)
        if index is None:
            index = self._build_index(start, end)
            if len(index) > _FEW:  # a small one is rebuilt in no time, and would only take memory
                self._indexes[start] = index
        return index

    def _build_index(self, start: int, end: int) -> _Index:
        if start < end and self.keys[start] is None:
            return array("I", self._siblings(start, end))
        return {key: entry for entry in self._siblings(start, end) if (key := self.keys[entry]) is not None}


def _pick(index: _Index, step: str) -> int:
    """Return the entry of a key, or of an item by its number as a path spells it; -1 when absent."""
    if isinstance(index, dict):
        return index.get(step, -1)
    position = int(step) if _NUMBER.fullmatch(step) else len(index)
    return index[position] if position < len(index) else -1
