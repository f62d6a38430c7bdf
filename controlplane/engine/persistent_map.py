"""A mapping that can be frozen at any moment for the price of what changed since the last time.

Separate from the Store because it knows nothing but keys: a world of 10,000 services has 150,000 entries, and copying
them for each change cost more than the change.
"""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")
_PARTS = 256


class FrozenMap(Mapping[K, V]):
    """A mapping at one moment. Never changes."""

    __slots__ = ("_parts",)

    def __init__(self, parts: tuple[Mapping[K, V], ...]) -> None:
        self._parts = parts

    def __getitem__(self, key: K) -> V:
        return self._parts[hash(key) % _PARTS][key]

    def get(self, key: K, default: Any = None) -> Any:
        """Return the value of a key, or the default."""
        return self._parts[hash(key) % _PARTS].get(key, default)

    def __iter__(self) -> Iterator[K]:
        return chain.from_iterable(self._parts)

    def __len__(self) -> int:
        return sum(map(len, self._parts))


class PersistentMap(Generic[K, V]):
    """A mapping that is written to. Its parts are shared with what was frozen, and copied when they are written to."""

    __slots__ = ("_own", "_parts")

    def __init__(self) -> None:
        self._parts: list[dict[K, V]] = [{} for _ in range(_PARTS)]
        self._own: set[int] = set()

    def get(self, key: K) -> V | None:
        """Return the value of a key, or None."""
        return self._parts[hash(key) % _PARTS].get(key)

    def put(self, key: K, value: V) -> None:
        """Set the value of a key."""
        self._written(key)[key] = value

    def drop(self, key: K) -> None:
        """Remove a key, if it is there."""
        self._written(key).pop(key, None)

    def freeze(self) -> FrozenMap[K, V]:
        """Return the mapping as it is now."""
        self._own.clear()
        return FrozenMap(tuple(self._parts))

    def _written(self, key: K) -> dict[K, V]:
        number = hash(key) % _PARTS
        if number not in self._own:
            self._own.add(number)
            self._parts[number] = self._parts[number].copy()
        return self._parts[number]
