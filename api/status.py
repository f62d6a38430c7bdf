"""What is to stand in the status of an object: conditions, and facts beside them. When is not said here."""

from collections.abc import Mapping
from typing import Any

import msgspec

from mirrorplane.api.meta import Ref

TRUE, FALSE, UNKNOWN = "True", "False", "Unknown"
PROGRAMMED = "Programmed"
"""The condition that only proxies can make true: what is said here holds if they agree."""


class Condition(msgspec.Struct, frozen=True):
    """A condition, as Kubernetes has them. `status` is TRUE, FALSE or UNKNOWN."""

    type: str
    status: str
    reason: str
    message: str = ""


class Section(msgspec.Struct, frozen=True):
    """A part of an object that has conditions of its own: an entry of a list of the status.

    `key` is what tells the entries of a list apart, `facts` what else stands there. `place`: how the name of Envoy's
    listener for it ends, "" where it has none.
    """

    list: str
    key: Mapping[str, Any]
    conditions: tuple[Condition, ...]
    facts: Mapping[str, Any] = {}
    place: str = ""


class Status(msgspec.Struct, frozen=True):
    """The status of an object. `lists` are there even when they have no sections.

    `addresses` are those asked for, where the object's status tells which ones the proxies have; else None. `served_by`
    is the Gateway whose routers have to accept what is to be programmed, where that is another object.
    """

    conditions: tuple[Condition, ...] = ()
    facts: Mapping[str, Any] = {}
    lists: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()
    addresses: tuple[str, ...] | None = None
    served_by: Ref | None = None

    @property
    def programmed(self) -> bool:
        """Whether it is about something that has to be programmed into proxies."""
        return any(condition.type == PROGRAMMED for condition in self.conditions)
