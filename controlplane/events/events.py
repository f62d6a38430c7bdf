"""What happens in a running control plane, as typed events.

An event says that something changed, and not what it is now: readers ask the plane. That is why a slow reader loses
nothing it needs when events about one subject are merged into the newest.
"""

import msgspec


class Event(msgspec.Struct, frozen=True, tag_field="event", tag=True):
    """Something that happened. Of pending events of one type with one subject, a reader gets the newest only."""

    @property
    def subject(self) -> str:
        """What the event is about, among events of its type."""
        return ""


class Published(Event, frozen=True, tag=True):
    """A snapshot was published. `version` is the snapshot's, `scopes` how many scopes got a new ResourceSet."""

    version: int
    scopes: int


class FindingsChanged(Event, frozen=True, tag=True):
    """Findings changed. `edition` counts the changes since the start."""

    edition: int


class StatusChanged(Event, frozen=True, tag=True):
    """The status of an object changed, or went with the object."""

    object: str

    @property
    def subject(self) -> str:
        """The object."""
        return self.object


class ProxyEvent(Event, frozen=True, tag=True):
    """Something about one stream of a proxy. `proxy` is its node id."""

    proxy: str

    @property
    def subject(self) -> str:
        """The proxy."""
        return self.proxy


class ProxyConnected(ProxyEvent, frozen=True, tag=True):
    """A proxy opened a stream. `variant` is sotw or delta."""

    variant: str


class ProxyLeft(ProxyEvent, frozen=True, tag=True):
    """A stream of a proxy ended."""


class ProxyAnswered(ProxyEvent, frozen=True, tag=True):
    """A proxy has answered everything that it was sent, with ACKs or with NACKs."""


class ProxyRejected(ProxyEvent, frozen=True, tag=True):
    """A proxy rejected resources of a type (NACK). The findings say which and why."""

    type_url: str

    @property
    def subject(self) -> str:
        """The proxy and the type."""
        return f"{self.proxy} {self.type_url}"
