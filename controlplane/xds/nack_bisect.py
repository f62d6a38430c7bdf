"""Which resource of a rejected response was it? What Envoy's message says, and which names are yet to be tried apart.

Separate because it is the search alone: it knows names, and neither versions nor what a response is made of. A search
costs at most about 2·k·log2(n) responses for k culprits among n names, and ends after MAX_CULPRITS of them.
"""

import re
from collections.abc import Collection, Set

MAX_CULPRITS = 16
"""NackStore that may name culprits before a search is given up: then nearly everything is bad."""

_LISTED = re.compile(r"Error adding/updating (cluster|listener)\(s\) (.*)", re.DOTALL)


def blamed(message: str, names: Collection[str]) -> set[str]:
    """Return which of these names Envoy itself lists as the culprits; empty when it says nothing of the kind.

    Envoy 1.40 lists all clusters or listeners that it could not apply, and has applied the rest of the response. A
    response that it could not even decode, and one of endpoints or routes, is rejected at the first that is bad.
    """
    listed = _LISTED.match(message)
    if not listed:
        return set()
    between = ", " if listed[1] == "cluster" else "\n"
    entries = (entry.partition(": ") for entry in listed[2].split(between))
    return {name for name, colon, _ in entries if colon}.intersection(names)


class NackBisect:
    """Groups of names out of rejected responses. Each is sent on its own; one that is rejected again is split."""

    def __init__(self) -> None:
        self._groups: list[set[str]] = []
        self._found = 0

    def __bool__(self) -> bool:
        return bool(self._groups)

    def __contains__(self, name: str) -> bool:
        return any(name in group for group in self._groups)

    @property
    def next(self) -> Set[str]:
        """The group to try next, empty when none is left."""
        return self._groups[0] if self._groups else frozenset()

    def split(self, names: Collection[str]) -> None:
        """Try each half of these names next."""
        ordered = sorted(names)
        middle = (len(ordered) + 1) // 2
        self.group(ordered[middle:])
        self.group(ordered[:middle])

    def group(self, names: Collection[str]) -> None:
        """Try these names together next."""
        if names:
            self._groups.insert(0, set(names))

    def drop(self, names: Collection[str]) -> None:
        """Forget these names: they are under way, have changed, or are no longer asked for."""
        for group in self._groups:
            group.difference_update(names)
        self._groups = [group for group in self._groups if group]

    def found(self) -> None:
        """Count a rejection that told culprits. After too many of them nothing more is tried."""
        self._found += 1
        if self._found > MAX_CULPRITS:
            self._groups.clear()

    def rest(self) -> None:
        """End the search if there is nothing left to try."""
        if not self._groups:
            self._found = 0
