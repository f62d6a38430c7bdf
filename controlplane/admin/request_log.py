"""The log of the HTTP server: a malformed request is a line at DEBUG, because any client may send as many as it likes.

aiohttp logs each as an error, with a traceback.
"""

import logging
from typing import Any

from aiohttp.http_exceptions import HttpProcessingError

log = logging.getLogger(__name__)


class RequestLog(logging.Logger):
    """What aiohttp's server logs, through this module's logger."""

    def __init__(self) -> None:
        super().__init__(log.name)
        self.parent = log

    def exception(self, msg: object, *args: object, exc_info: Any = True, **options: Any) -> None:
        """Log an exception; one that only says what is wrong with a request, as a line."""
        if isinstance(exc_info, HttpProcessingError):
            self.debug(f"{msg}: %s", *args, " ".join(str(exc_info).split()))
        else:
            super().exception(msg, *args, exc_info=exc_info, **options)
