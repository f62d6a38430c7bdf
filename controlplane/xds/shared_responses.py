"""What the streams of a server share: responses made once for all, the diff between sets, pauses, turns to write."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from mirrorplane.controlplane.xds.served_resources import SnapshotDiff
from mirrorplane.controlplane.xds.write_scheduler import WriteScheduler


class SharedResponses:
    """The last few responses by what determines their bytes, the last diff, and the order of writers."""

    CAPACITY = 8  # streams of one scope push the same few types at about the same time: more is never hit

    def __init__(self, checkpoint: Callable[[], None] = lambda: None) -> None:
        self.checkpoint = checkpoint
        self.diff = SnapshotDiff(checkpoint)
        self.scheduler = WriteScheduler()
        self._frames: OrderedDict[tuple[Any, ...], bytes] = OrderedDict()

    def frame(self, key: tuple[Any, ...], make: Callable[[], bytes]) -> bytes:
        """Return the response of a key, made unless it is there: streams of one scope send the same bytes."""
        frame = self._frames.get(key)
        if frame is None:
            frame = self._frames[key] = make()
            if len(self._frames) > self.CAPACITY:
                self._frames.popitem(last=False)
        return frame
