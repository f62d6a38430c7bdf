"""Warnings about valid fields that have no effect here."""

from collections.abc import Iterator, Mapping
from typing import Any

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.meta import Ref


def left_out(about: Ref, path: str, fields: Mapping[str, tuple[Any, str]]) -> Iterator[Finding]:
    """Warn of each field that is set. `fields`: value and reason, by field; None, "" and empty are unset."""
    for field, (value, reason) in fields.items():
        if value not in (None, "", (), {}):
            message = f"{field} has no effect: {reason}"
            yield Finding(about, "FieldLeftOut", message, f"{path}.{field}", Severity.WARNING)
