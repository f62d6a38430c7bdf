"""What the streams of a server share: responses made once for all, steps from one set to the next, their turns."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from mirrorplane.controlplane.xds.served_resources import SnapshotDiff
from mirrorplane.controlplane.xds.write_scheduler import WriteScheduler


class Shared:
    """The last few responses by what determines their bytes, the last step between sets, and who is next."""

    MOST = 8

    def __init__(self, checkpoint: Callable[[], None] = lambda: None) -> None:
        self.moves = SnapshotDiff(checkpoint)
        self.turns = WriteScheduler()
        self._frames: OrderedDict[tuple[Any, ...], bytes] = OrderedDict()

    def frame(self, key: tuple[Any, ...], make: Callable[[], bytes]) -> bytes:
        """Return the response of a key, made only if it is not there: streams of one scope send the same bytes."""
        frame = self._frames.get(key)
        if frame is None:
            frame = self._frames[key] = make()
            if len(self._frames) > self.MOST:
                self._frames.popitem(last=False)
        return frame
