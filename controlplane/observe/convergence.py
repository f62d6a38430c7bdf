"""How long a change takes to reach all proxies: from when it was read until every affected proxy has answered.

Pure: the time is an argument. See decision 0032.
"""

from collections.abc import Hashable

OPEN = 64
"""How many rounds may be open. One proxy that never answers keeps every round that affects it open."""


class _Round:
    __slots__ = ("affected", "began", "waiting")

    def __init__(self, began: float) -> None:
        self.began = began
        self.waiting: set[Hashable] = set()
        self.affected = False


class ConvergenceTracker:
    """One round is one change: it begins, is offered to the streams whose resources it changes, and then is out.

    A round is over when it is out and every stream that it was offered to has settled since, or left. A stream that
    settles has answered everything that it was offered so far, so it ends older rounds too. When more than `limit`
    rounds are open, the two oldest become one that began with the older. All times are of one clock, in seconds.
    """

    def __init__(self, limit: int = OPEN) -> None:
        self._limit = limit
        self._now: _Round | None = None
        self._open: list[_Round] = []

    @property
    def open(self) -> int:
        """How many rounds are out and still wait for a stream."""
        return len(self._open)

    def begin(self, now: float) -> None:
        """Begin a round. The previous one must be out."""
        self._now = _Round(now)

    def add_stream(self, stream: Hashable) -> None:
        """Note that the current round changed the resources of a stream. Without a round, nothing is measured."""
        if self._now is not None:
            self._now.affected = True
            self._now.waiting.add(stream)

    def all_offered(self, now: float) -> tuple[float, ...]:
        """Note that every stream has been offered the round; returns its duration if it is over already."""
        done, self._now = self._now, None
        if done is None or not done.affected:
            return ()
        if not done.waiting:
            return (now - done.began,)
        self._open.append(done)
        if len(self._open) > self._limit:
            self._merge()
        return ()

    def stream_done(self, stream: Hashable, now: float) -> tuple[float, ...]:
        """Note that a stream settled or left; returns the durations of the rounds that this ends."""
        if self._now is not None:
            self._now.waiting.discard(stream)
        any_over = False
        for open_round in self._open:  # thousands of calls for each change, most of which end no round
            open_round.waiting.discard(stream)
            any_over = any_over or not open_round.waiting
        if not any_over:
            return ()
        durations = tuple(now - over.began for over in self._open if not over.waiting)
        self._open = [open_round for open_round in self._open if open_round.waiting]
        return durations

    def _merge(self) -> None:
        oldest = self._open.pop(0)
        self._open[0].began = oldest.began
        self._open[0].waiting |= oldest.waiting
