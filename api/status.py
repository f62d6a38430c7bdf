"""The status of an object: conditions, and other fields beside them. The times are added where it is written."""

from collections.abc import Mapping
from typing import Any

import msgspec

from mirrorplane.api.meta import Ref

TRUE, FALSE, UNKNOWN = "True", "False", "Unknown"
PROGRAMMED = "Programmed"
"""The condition that only proxies can make true: translators set it to what holds if the proxies accept."""


class Condition(msgspec.Struct, frozen=True):
    """A condition, as Kubernetes has them. `status` is TRUE, FALSE or UNKNOWN."""

    type: str
    status: str
    reason: str
    message: str = ""


class Section(msgspec.Struct, frozen=True):
    """A part of an object with conditions of its own: an entry of a list of the status.

    `key` are the fields that identify the entry, `facts` its other fields. `place` is the suffix of the name of Envoy's
    listener for it, "" where it has none.
    """

    list: str
    key: Mapping[str, Any]
    conditions: tuple[Condition, ...]
    facts: Mapping[str, Any] = {}
    place: str = ""


class Status(msgspec.Struct, frozen=True):
    """The status of an object. `lists` are there even when they have no sections.

    `addresses` are the requested ones, where the status has those of the proxies; else None. `served_by` is the Gateway
    whose routers have to accept the configuration, where that is another object.
    """

    conditions: tuple[Condition, ...] = ()
    facts: Mapping[str, Any] = {}
    lists: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()
    addresses: tuple[str, ...] | None = None
    served_by: Ref | None = None

    @property
    def programmed(self) -> bool:
        """Whether the object has to be programmed into proxies."""
        return any(condition.type == PROGRAMMED for condition in self.conditions)
