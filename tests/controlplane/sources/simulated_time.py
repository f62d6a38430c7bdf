"""An event loop in simulated time: hours pass in no time, and every wait takes exactly as long as it says."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine


class SimulatedLoop(asyncio.SelectorEventLoop):
    """Never waits: when nothing is ready, its clock jumps to the next timer."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        return self.now


class _Jumping(selectors.DefaultSelector):
    def __init__(self, loop: SimulatedLoop) -> None:
        super().__init__()
        self.loop = loop

    def select(self, timeout: float | None = None) -> list:
        self.loop.now += timeout or 0.0
        return super().select(0)


def simulated(work: Callable[[], Coroutine]) -> object:
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        return runner.run(work())
