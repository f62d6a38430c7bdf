"""Loopback ports that are free, and stay free until they are used.

A port that was free a moment ago is the classic cause of a test that fails once a week.
"""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

LOOPBACK = "127.0.0.1"


@contextmanager
def held_ports(count: int) -> Iterator[tuple[int, ...]]:
    """Hold `count` different loopback ports while the block runs.

    A held port is bound with SO_REUSEPORT but never listens. So the kernel gives it to no other process, a connection
    to it is refused, and yet Envoy, or any server of the same user that sets SO_REUSEPORT, can listen on it at once.
    """
    with ExitStack() as stack:
        yield tuple(stack.enter_context(_bound_socket()).getsockname()[1] for _ in range(count))


def _bound_socket() -> socket.socket:
    holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    holder.bind((LOOPBACK, 0))
    return holder
