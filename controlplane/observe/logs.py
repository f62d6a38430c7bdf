"""Logs of the control plane: one line each, to stderr, as text or as JSON.

A message is a sentence for people. What programs filter by (`proxy`, `kind`, `took_ms`, …) travels beside it as
`fields`, and is in the JSON form only.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

LEVELS = ("debug", "info", "warning", "error")
_QUIET = ("watchfiles", "asyncio")
"""Loggers of libraries that log at INFO what only their authors need."""


def start_logging(form: str, level: str = "info") -> None:
    """Send everything from a level of LEVELS on to stderr, as `text` or `json`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter() if form == "json" else logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    )
    logging.basicConfig(handlers=[handler], force=True)
    set_level(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def set_level(level: str) -> None:
    """Log from a level of LEVELS on."""
    logging.getLogger().setLevel(level.upper())


def current_level() -> str:
    """Return the level from which on lines are logged."""
    return logging.getLevelName(logging.getLogger().level).lower()


def log_warnings_only() -> None:
    """Log warnings only, unless --log-level asks for more: the demo prints its own progress."""
    if logging.getLogger().level > logging.DEBUG:
        set_level("warning")


def fields(**values: Any) -> dict[str, dict[str, Any]]:
    """Return the `extra` of a log call that adds fields to the JSON form; empty values are left out."""
    return {"fields": {name: value for name, value in values.items() if value not in ("", None)}}


class JsonFormatter(logging.Formatter):
    """A log record as one JSON object; user text is escaped, so it cannot forge lines."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return json.dumps(entry)
