"""Streams that all have something to send take turns: between them, the event loop hears what proxies answer.

Separate because it is about fairness alone. A set that changes for a thousand proxies wakes a thousand writers at once,
and what each has to do may take milliseconds; without turns, all of it would be one turn of the event loop.
"""

import asyncio
import time
from collections import deque


class WriteScheduler:
    """Lets writers go on as long as a turn of the loop is not longer than `length` seconds; the rest wait in order.

    How many of those that wait go on in one turn is found out: twice as many after a short one, half after a long one.
    """

    def __init__(self, length: float = 0.005) -> None:
        self._length = length
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._began = 0.0
        self._batch = 1
        self._under_way = False

    async def take(self) -> None:
        """Return when it is the caller's turn: at once, as a rule."""
        if not self._under_way:
            self._begin()
        elif self._waiting or time.perf_counter() - self._began > self._length:
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn

    def _begin(self) -> None:
        self._under_way = True
        self._began = time.perf_counter()
        asyncio.get_running_loop().call_soon(self._end)

    def _end(self) -> None:
        """Let some of those that wait go on: the loop has come round."""
        self._under_way = False
        if not self._waiting:
            self._batch = 1
            return
        long = time.perf_counter() - self._began > self._length
        self._batch = max(1, self._batch // 2) if long else self._batch * 2
        self._begin()
        left = self._batch
        while self._waiting and left:
            turn = self._waiting.popleft()
            if not turn.done():  # its stream may have ended meanwhile
                turn.set_result(None)
                left -= 1
