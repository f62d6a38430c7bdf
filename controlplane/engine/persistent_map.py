"""A mapping whose state can be frozen at any moment for the price of what changed since the last time.

Separate from the Store because it knows nothing but keys. A world of 10,000 services has 150,000 entries, and copying
them all for each change cost more than the change. The mapping is split into shards by hash; a frozen state shares the
shards, and a shard is copied when it is first written to after that.
"""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")
# At 150,000 entries a shard has about 600: that many are copied for the first write to it, and not all.
_SHARDS = 256


class FrozenMap(Mapping[K, V]):
    """The mapping at one moment. Never changes."""

    __slots__ = ("_shards",)

    def __init__(self, shards: tuple[Mapping[K, V], ...]) -> None:
        self._shards = shards

    def __getitem__(self, key: K) -> V:
        return self._shards[hash(key) % _SHARDS][key]

    def get(self, key: K, default: Any = None) -> Any:
        """Return the value of a key, or the default."""
        return self._shards[hash(key) % _SHARDS].get(key, default)

    def __iter__(self) -> Iterator[K]:
        return chain.from_iterable(self._shards)

    def __len__(self) -> int:
        return sum(map(len, self._shards))


class PersistentMap(Generic[K, V]):
    """The mapping that is written to. `_unshared` are the shards copied since the last freeze."""

    __slots__ = ("_shards", "_unshared")

    def __init__(self) -> None:
        self._shards: list[dict[K, V]] = [{} for _ in range(_SHARDS)]
        self._unshared: set[int] = set()

    def get(self, key: K) -> V | None:
        """Return the value of a key, or None."""
        return self._shards[hash(key) % _SHARDS].get(key)

    def put(self, key: K, value: V) -> None:
        """Set the value of a key."""
        self._writable(key)[key] = value

    def drop(self, key: K) -> None:
        """Remove a key, if it exists."""
        self._writable(key).pop(key, None)

    def freeze(self) -> FrozenMap[K, V]:
        """Return the mapping as it is now."""
        self._unshared.clear()
        return FrozenMap(tuple(self._shards))

    def _writable(self, key: K) -> dict[K, V]:
        number = hash(key) % _SHARDS
        if number not in self._unshared:
            self._unshared.add(number)
            self._shards[number] = self._shards[number].copy()
        return self._shards[number]
