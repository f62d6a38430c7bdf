"""How a refused call ends: the status, the sentence, and a log that no caller can flood.

Reachable without authentication: what is logged and sent is limited in size and rate.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

import grpc

from mirrorplane.controlplane.identity.caller import ForbiddenError, UnauthenticatedError

_log = logging.getLogger(__name__)

WINDOW_S = 60.0
MAX_LINES = 30
MAX_SENTENCE = 2000
"""Characters. A sentence may quote what a stranger sent, and gRPC sends it in a header of limited size."""


class FirstMessageTimeoutError(Exception):
    """A caller opened a stream and sent nothing."""


class InvalidRequestError(Exception):
    """A message that no client of the service should send. Raised by services."""


class ExhaustedError(Exception):
    """A caller that has as much of something as one client may have. Raised by services, too."""


_STATUS = {
    InvalidRequestError: grpc.StatusCode.INVALID_ARGUMENT,
    UnauthenticatedError: grpc.StatusCode.UNAUTHENTICATED,
    ForbiddenError: grpc.StatusCode.PERMISSION_DENIED,
    FirstMessageTimeoutError: grpc.StatusCode.DEADLINE_EXCEEDED,
    ExhaustedError: grpc.StatusCode.RESOURCE_EXHAUSTED,
}
REFUSED = tuple(_STATUS)
"""The errors that end a call with a sentence for its caller."""
REASONS = tuple(status.name.lower() for status in _STATUS.values())
"""What refusals are counted by."""


class Refusals:
    """Ends calls. It logs the first 30 refusals of a minute, and then how many more there were.

    `count` is called with the reason of each, one of REASONS.
    """

    def __init__(
        self, now: Callable[[], float] = time.monotonic, count: Callable[[str], None] = lambda _: None
    ) -> None:
        self._now, self._count_reason = now, count
        self._window_began, self._count = now(), 0

    async def refuse(self, rpc: Any, error: Exception) -> None:
        """End a call with one of the errors of REFUSED. Raises grpc's AbortError, as every abort does."""
        sentence = str(error)
        if len(sentence) > MAX_SENTENCE:
            sentence = f"{sentence[: MAX_SENTENCE - 1]}…"
        status = _STATUS[type(error)]
        self._count_reason(status.name.lower())
        self._log(rpc.peer(), sentence)
        await rpc.abort(status, sentence)

    def _log(self, peer: str, sentence: str) -> None:
        if self._now() - self._window_began >= WINDOW_S:
            self._begin_window()
        self._count += 1
        if self._count <= MAX_LINES:
            _log.warning("refused: %s: %s", peer, sentence)

    def _begin_window(self) -> None:
        if self._count > MAX_LINES:
            _log.warning("refused: %d more calls, not logged one by one", self._count - MAX_LINES)
        self._window_began, self._count = self._now(), 0
