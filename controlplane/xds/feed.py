"""What the xDS server needs from the rest of the control plane, and what it reports back.

Separate so that the server does not know the engine: anything that can offer a ResourceSet for a Proxy will do. All
calls are made on the event loop, some of them thousands of times a second; none may block.
"""

from collections.abc import Callable
from typing import Protocol, TypeVar

from mirrorplane.api.proxy import Proxy
from mirrorplane.api.resource import ResourceSet

T = TypeVar("T")


class LimitError(Exception):
    """A client has as much as one client may have. The message is the sentence it gets."""


Offer = Callable[[ResourceSet], None]


class Link(Protocol):
    """What one stream reports of its proxy."""

    def pushed(self, type_url: str, size: int, seconds: float) -> None:
        """Report a written response: its size in bytes, and how long writing took."""

    def acked(self, type_url: str, version: str, rejected: frozenset[str]) -> None:
        """Report an ACK of a version of a type. `rejected` are the resources of it that the proxy still rejects."""

    def rejected(self, type_url: str, names: tuple[str, ...], version: str, message: str) -> None:
        """Report a NACK. `names` are the resources that may be the cause; the message is Envoy's."""

    def settled(self) -> None:
        """Report that the proxy has answered everything: once after each offer or push."""

    def leave(self) -> None:
        """Report that the stream ended. No more offers are made."""


class Feed(Protocol):
    """Where content comes from."""

    def attach(self, proxy: Proxy, offer: Offer, variant: str, client: str) -> Link:
        """Call `offer` as soon as there is a set, and on every change, until the link is left.

        `variant` is sotw or delta; `client` is whom limits apply to (see Call). The first offer may be made before this
        returns. Raises LimitError.
        """

    def checkpoint(self) -> None:
        """Pause here, now and then, during an offer or a request whose many names make it long work."""

    async def run(self, work: Callable[[], T]) -> T:
        """Return what some work returns, or raise what it raises. At its checkpoints other tasks have their turn."""
