"""How long a change takes to arrive everywhere: from when it was seen until every proxy it concerns has answered.

Separate from the metrics because it is a rule with state of its own; it knows no clock, the time is given.
"""

from collections.abc import Hashable

OPEN = 64
"""How many rounds may be open. One proxy that never answers keeps every round that concerns it open."""


class _Round:
    __slots__ = ("began", "concerned", "waiting")

    def __init__(self, began: float) -> None:
        self.began = began
        self.waiting: set[Hashable] = set()
        self.concerned = False


class Rounds:
    """One round is one change: it begins, is offered to the streams whose sets it changes, and then is out.

    A round is over when it is out and every stream it was offered to has settled since, or left. A stream that settles
    has answered all it was offered so far, so a newer round overtakes. When more than `limit` rounds are open, the two
    oldest become one that began with the older. All times are of one clock, in seconds.
    """

    def __init__(self, limit: int = OPEN) -> None:
        self._limit = limit
        self._now: _Round | None = None
        self._open: list[_Round] = []

    @property
    def open(self) -> int:
        """How many rounds are out and wait for some stream."""
        return len(self._open)

    def begin(self, now: float) -> None:
        """Begin a round. The one before must be out."""
        self._now = _Round(now)

    def offered(self, stream: Hashable) -> None:
        """Note that the round under way changed the set of a stream. Without one, nothing is measured."""
        if self._now is not None:
            self._now.concerned = True
            self._now.waiting.add(stream)

    def out(self, now: float) -> tuple[float, ...]:
        """Say that everybody has been offered the round; returns how long it took if it is over already."""
        done, self._now = self._now, None
        if done is None or not done.concerned:
            return ()
        if not done.waiting:
            return (now - done.began,)
        self._open.append(done)
        if len(self._open) > self._limit:
            self._merge()
        return ()

    def settled(self, stream: Hashable, now: float) -> tuple[float, ...]:
        """Note that a stream settled or left; returns how long the rounds that end with it took."""
        if self._now is not None:
            self._now.waiting.discard(stream)
        over = False
        for one in self._open:
            one.waiting.discard(stream)
            over = over or not one.waiting
        if not over:
            return ()
        took = tuple(now - one.began for one in self._open if not one.waiting)
        self._open = [one for one in self._open if one.waiting]
        return took

    def _merge(self) -> None:
        oldest = self._open.pop(0)
        self._open[0].began = oldest.began
        self._open[0].waiting |= oldest.waiting
