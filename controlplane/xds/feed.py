"""What the xDS server needs from the rest of the control plane, and what it tells back.

Separate so that the server does not know the engine: anything that can offer a ResourceSet for a Proxy will do.
"""

from collections.abc import Callable
from typing import Protocol

import msgspec

from api.proxy import Proxy
from api.resource import ResourceSet


class Rejection(msgspec.Struct, frozen=True):
    """A NACK. `names` are the resources that were new to the proxy in the rejected response; the message is Envoy's."""

    proxy_id: str
    type_url: str
    names: tuple[str, ...]
    version: str
    message: str


class Feed(Protocol):
    """Where content comes from. All calls are made on the event loop; none may block."""

    def attach(self, proxy: Proxy, offer: Callable[[ResourceSet], None]) -> Callable[[], None]:
        """Call `offer` at once and on every change, on the event loop. Return what ends that."""

    def acked(self, proxy_id: str, type_url: str, version: str, rejected: frozenset[str]) -> None:
        """Hear that a proxy accepted a version of a type, and which resources of it it still rejects."""

    def rejected(self, rejection: Rejection) -> None:
        """Hear that a proxy rejected a response."""
