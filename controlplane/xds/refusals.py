"""How a stream that is not served is told so: the status, the sentence, and a log that no caller can flood.

Separate from the server because it is what strangers can reach.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

import grpc

from mirrorplane.controlplane.identity.caller import ForbiddenError, UnauthenticatedError
from mirrorplane.controlplane.xds.requests import ProtocolError
from mirrorplane.controlplane.xds.status import shortened

_log = logging.getLogger(__name__)


class SilentError(Exception):
    """A caller that opened a stream and said nothing."""


_STATUS = {
    ProtocolError: grpc.StatusCode.INVALID_ARGUMENT,
    UnauthenticatedError: grpc.StatusCode.UNAUTHENTICATED,
    ForbiddenError: grpc.StatusCode.PERMISSION_DENIED,
    SilentError: grpc.StatusCode.DEADLINE_EXCEEDED,
}
REFUSED = tuple(_STATUS)
"""The errors that end a stream with a sentence."""

WINDOW_S = 60.0
LINES = 30


class Refusals:
    """Ends streams. Of a minute's refusals it logs the first 30, and then how many more there were."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._since, self._count = now(), 0

    async def refuse(self, rpc: Any, error: Exception) -> None:
        """End a stream with one of the errors of REFUSED. Raises grpc's AbortError, as every abort does."""
        self._say(rpc.peer(), str(error))
        await rpc.abort(_STATUS[type(error)], shortened(str(error)))

    def _say(self, peer: str, sentence: str) -> None:
        if self._now() - self._since >= WINDOW_S:
            self._begin_again()
        self._count += 1
        if self._count <= LINES:
            _log.warning("refused: %s: %s", peer, shortened(sentence))

    def _begin_again(self) -> None:
        if self._count > LINES:
            _log.warning("refused: %d more streams, which are not shown one by one", self._count - LINES)
        self._since, self._count = self._now(), 0
