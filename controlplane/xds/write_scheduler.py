"""Writers take turns: between them, the event loop reads what proxies answer.

It is about fairness alone. A set that changes for a thousand proxies wakes a thousand writers at once,
and each may work for milliseconds; without turns, all of that would be one iteration of the event loop.
"""

import asyncio
import time
from collections import deque


class WriteScheduler:
    """Lets writers go on until an iteration of the loop has taken `budget` seconds; the rest wait in order.

    How many waiting writers go on in one iteration is adapted: twice as many after a short one, half after a long one.
    See decision 0043.
    """

    def __init__(self, budget: float = 0.005) -> None:
        self._budget = budget
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._began = 0.0
        self._batch = 1
        self._running = False

    async def wait_turn(self) -> None:
        """Return when it is the caller's turn: at once, as a rule."""
        if not self._running:
            self._begin()
        elif self._waiting or time.perf_counter() - self._began > self._budget:
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn

    def _begin(self) -> None:
        self._running = True
        self._began = time.perf_counter()
        # It runs in the loop's next iteration, after all writers of this one.
        asyncio.get_running_loop().call_soon(self._end)

    def _end(self) -> None:
        """Let some of the waiting writers go on. Runs once per event-loop iteration."""
        self._running = False
        if not self._waiting:
            self._batch = 1
            return
        overran = time.perf_counter() - self._began > self._budget
        self._batch = max(1, self._batch // 2) if overran else self._batch * 2
        self._begin()
        turns = self._batch
        while self._waiting and turns:
            turn = self._waiting.popleft()
            if not turn.done():  # its stream may have ended meanwhile
                turn.set_result(None)
                turns -= 1
