"""Logs of the control plane: one line each, to stderr, as text or as JSON."""

import json
import logging
import sys
from datetime import UTC, datetime


def start_logging(form: str, *, verbose: bool = False) -> None:
    """Send everything from INFO (DEBUG when verbose) to stderr in the given form."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter() if form == "json" else logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    )
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[handler], force=True)
    logging.getLogger("watchfiles").setLevel(logging.WARNING)
    logging.getLogger("asyncio").setLevel(logging.WARNING)


def log_warnings_only() -> None:
    """Log warnings only, unless --verbose is given: the demo prints its own progress."""
    if logging.getLogger().level > logging.DEBUG:
        logging.getLogger().setLevel(logging.WARNING)


class JsonFormatter(logging.Formatter):
    """A log record as one JSON object; user text is escaped, so it cannot forge lines."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return json.dumps(entry)
