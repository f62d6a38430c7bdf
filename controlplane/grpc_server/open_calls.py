"""How many calls each client has open: one client must not take what all share."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mirrorplane.controlplane.grpc_server.refusals import ExhaustedError
from mirrorplane.controlplane.identity.caller import Caller


class OpenCalls:
    """Counts the open calls of each client, at most `limit`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open: Counter[str] = Counter()

    @contextmanager
    def open(self, client: str) -> Iterator[None]:
        """Count a call while it is served. Raises ExhaustedError."""
        if self._open[client] >= self._limit:
            raise ExhaustedError(
                f"{client} has {self._limit} streams open, the limit for one client (mirrorplane serve --max-streams)"
            )
        self._open[client] += 1
        try:
            yield
        finally:
            self._open[client] -= 1
            if not self._open[client]:
                del self._open[client]


def client_of(rpc: Any, caller: Caller | None) -> str:
    """Return whose call it is: the identity, or without authentication the address, `ipv4:10.0.0.7`."""
    if caller is not None:
        return caller.id
    address: str = rpc.peer()
    return address.rpartition(":")[0]
