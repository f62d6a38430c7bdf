"""Which resource of a rejected response was the cause? What Envoy's message lists, and a bisection of the rest.

It is the search alone: it knows names, and neither versions nor what a response is made of. A search
costs at most about 2·k·log2(n) responses for k culprits among n names, and ends after MAX_CULPRITS of them. See
decision 0033.
"""

import re
from collections.abc import Collection, Set

MAX_CULPRITS = 16
"""Rejections with a culprit before a search is given up: with more, nearly everything is bad."""

_LISTED = re.compile(r"Error adding/updating (cluster|listener)\(s\) (.*)", re.DOTALL)


def listed_culprits(message: str, names: Collection[str]) -> set[str]:
    """Return which of these names Envoy lists in its message as culprits; empty when it lists none.

    Envoy 1.40 lists all clusters or listeners that it could not apply, and has applied the rest of the response. A
    response that it cannot decode, and one of endpoints or routes, is rejected at its first bad resource.
    """
    listed = _LISTED.match(message)
    if not listed:
        return set()
    # Envoy's CdsApiHelper joins its entries by ", ", LdsApiImpl ends each with a line break.
    separator = ", " if listed[1] == "cluster" else "\n"
    entries = (entry.partition(": ") for entry in listed[2].split(separator))
    return {name for name, colon, _ in entries if colon}.intersection(names)


class NackBisect:
    """Groups of names from rejected responses. Each is sent on its own; one that is rejected again is split."""

    __slots__ = ("_culprits", "_groups")

    def __init__(self) -> None:
        self._groups: tuple[set[str], ...] = ()  # not a list: nearly every stream's is empty for ever
        self._culprits = 0

    def __bool__(self) -> bool:
        return bool(self._groups)

    def __contains__(self, name: str) -> bool:
        return any(name in group for group in self._groups)

    @property
    def next_group(self) -> Set[str]:
        """The group to send next, empty when none is left."""
        return self._groups[0] if self._groups else frozenset()

    def split(self, names: Collection[str]) -> None:
        """Send each half of these names next."""
        in_order = sorted(names)
        middle = (len(in_order) + 1) // 2
        self.add_group(in_order[middle:])
        self.add_group(in_order[:middle])

    def add_group(self, names: Collection[str]) -> None:
        """Send these names together next."""
        if names:
            self._groups = (set(names), *self._groups)

    def discard(self, names: Collection[str]) -> None:
        """Leave out these names: they are in flight, have changed, or are no longer subscribed to."""
        for group in self._groups:
            group.difference_update(names)
        self._groups = tuple(group for group in self._groups if group)

    def count_culprit(self) -> None:
        """Count a rejection that showed a culprit. After too many of them the search is given up."""
        self._culprits += 1
        if self._culprits > MAX_CULPRITS:
            self._groups = ()

    def end_if_done(self) -> None:
        """Start counting anew if no group is left."""
        if not self._groups:
            self._culprits = 0
