"""The names one stream subscribes to of one type. Streams that subscribe to the same share the memory.

In a mesh of ten thousand proxies the same clusters are named ten thousand times, and a change to one of these
subscriptions must still cost what changed.
"""

from collections.abc import Iterable, Iterator
from weakref import WeakValueDictionary

_interned: "WeakValueDictionary[int, frozenset[str]]" = WeakValueDictionary()
_FREE_DIFFERENCES = 16


class SubscribedNames:
    """A set of names, and `wildcard`: whether the subscription covers every other name too.

    The set is a base, interned for all streams, and a few differences to it: name → whether it is a member.
    """

    __slots__ = ("_base", "_differences", "_size", "wildcard")

    def __init__(self, names: Iterable[str] = (), *, wildcard: bool = False) -> None:
        self.wildcard = wildcard
        self._base = _intern(frozenset(names))
        self._differences: dict[str, bool] = {}
        self._size = len(self._base)

    def covers(self, name: str) -> bool:
        """Tell whether the proxy subscribed to a name, by itself or by the wildcard."""
        return self.wildcard or name in self

    def __contains__(self, name: str) -> bool:
        member = self._differences.get(name)
        return name in self._base if member is None else member

    def __iter__(self) -> Iterator[str]:
        yield from self._base.difference(self._differences)
        yield from (name for name, member in self._differences.items() if member)

    def __len__(self) -> int:
        return self._size

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SubscribedNames):
            return NotImplemented
        if self.wildcard != other.wildcard:
            return False
        # Interned bases: the usual case, an ACK that repeats ten thousand names, costs one comparison of identities.
        same_base = self._base is other._base and not (self._differences or other._differences)
        return same_base or set(self) == set(other)

    __hash__ = None  # type: ignore[assignment]

    def add(self, names: Iterable[str]) -> None:
        """Add names; members stay."""
        self._set_membership(names, member=True)

    def remove(self, names: Iterable[str]) -> None:
        """Remove names; those that are no members are ignored."""
        self._set_membership(names, member=False)

    def _set_membership(self, names: Iterable[str], *, member: bool) -> None:
        for name in names:
            if (name in self) is not member:
                self._size += 1 if member else -1
                # A difference that there was is undone by this: the base has it right again.
                if self._differences.pop(name, None) is None:
                    self._differences[name] = member
        # Intern a new base once the differences have grown with it: so the cost per name does not depend on the size.
        if len(self._differences) > _FREE_DIFFERENCES + len(self._base) // 4:
            self._base, self._differences = _intern(frozenset(self)), {}


def _intern(names: frozenset[str]) -> frozenset[str]:
    """Return the one set of these names that all subscriptions share."""
    # By hash and not by value: a WeakValueDictionary holds its keys strongly.
    interned = _interned.setdefault(hash(names), names)
    return interned if interned == names else names
