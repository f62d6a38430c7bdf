"""The names one stream asks for of one type. Streams that ask for the same share the memory.

Separate because it is a set and knows nothing else: in a mesh of ten thousand proxies the same clusters are named ten
thousand times, and a change to one of these subscriptions must still cost what changed.
"""

from collections.abc import Iterable, Iterator
from weakref import WeakValueDictionary

_shared: "WeakValueDictionary[int, frozenset[str]]" = WeakValueDictionary()
_FEW = 16


class Names:
    """A set of names: a shared one, and whether each of a few others is in it or not."""

    __slots__ = ("_base", "_otherwise", "_size")

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._base = _interned(frozenset(names))
        self._otherwise: dict[str, bool] = {}
        self._size = len(self._base)

    def __contains__(self, name: str) -> bool:
        there = self._otherwise.get(name)
        return name in self._base if there is None else there

    def __iter__(self) -> Iterator[str]:
        yield from self._base.difference(self._otherwise)
        yield from (name for name, there in self._otherwise.items() if there)

    def __len__(self) -> int:
        return self._size

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Names):
            return NotImplemented
        same = self._base is other._base and not (self._otherwise or other._otherwise)
        return same or set(self) == set(other)

    __hash__ = None  # type: ignore[assignment]

    def add(self, names: Iterable[str]) -> None:
        """Add names; those that are in it already do no harm."""
        self._put(names, there=True)

    def remove(self, names: Iterable[str]) -> None:
        """Take names away; those that are not in it do no harm."""
        self._put(names, there=False)

    def _put(self, names: Iterable[str], *, there: bool) -> None:
        for name in names:
            if (name in self) is not there:
                self._size += 1 if there else -1
                if self._otherwise.pop(name, None) is None:
                    self._otherwise[name] = there
        # Share a set anew once the differences have grown with it: a name costs the same in a large set as in a small.
        if len(self._otherwise) > _FEW + len(self._base) // 4:
            self._base, self._otherwise = _interned(frozenset(self)), {}


def _interned(names: frozenset[str]) -> frozenset[str]:
    """Return the one set of these names that all share."""
    known = _shared.setdefault(hash(names), names)
    return known if known == names else names
