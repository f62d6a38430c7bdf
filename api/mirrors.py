"""Copies of requests, and what keeps them from hurting the originals."""

from typing import ClassVar

import msgspec

from mirrorplane.api.actions import Destination
from mirrorplane.api.meta import Ref
from mirrorplane.api.units import MILLION


class Guards(msgspec.Struct, frozen=True):
    """What keeps a copy from hurting the original.

    A request whose body is larger than `max_body_bytes` is not (fully) copied; at most `max_requests` copies are under
    way from one proxy to one target; a copy lives `deadline_ms` at most; connecting takes `connect_timeout_ms` at most.
    """

    max_body_bytes: int = 1 << 20
    max_requests: int = 128
    deadline_ms: int = 15_000
    connect_timeout_ms: int = 1_000

    LARGEST_BODY: ClassVar[int] = 1 << 20
    MOST_REQUESTS: ClassVar[int] = 1024

    @property
    def buffer_bytes(self) -> int:
        """The most that copies to one target can hold up: while buffers are this large, none pushes back."""
        return self.max_body_bytes * self.max_requests


class Mirror(msgspec.Struct, frozen=True):
    """A copy of requests, sent elsewhere; the answer is thrown away.

    `fraction` is in parts per MILLION. `shadow_suffix`: the copy's host gets Envoy's `-shadow`; `host`: it is this
    instead.
    """

    destination: Destination
    ref: Ref
    fraction: int = MILLION
    shadow_suffix: bool = False
    host: str = ""
