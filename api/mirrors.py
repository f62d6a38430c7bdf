"""Copies of requests, and what keeps them from hurting the originals."""

from typing import ClassVar

import msgspec

from mirrorplane.api.actions import Destination, HeaderChanges
from mirrorplane.api.meta import Ref
from mirrorplane.api.units import MILLION

COPY_HEADER = "x-mirrorplane-copy"
"""Lists the marks of a copy: what carries the mark of a rule is not copied by it again. See decision 0125."""
SHADOW_SUFFIX = "-shadow"
"""What Envoy appends to the Host of a copy, before its port."""


class Guards(msgspec.Struct, frozen=True):
    """Limits that keep copies from slowing down the original requests. See decisions 0001 and 0123.

    A request whose body is larger than `max_body_bytes` is not copied; a stream is copied that far. At most
    `max_requests` copies are in flight from one proxy to one target. A copy is cut off after `deadline_ms`; connecting
    takes `connect_timeout_ms` at most.
    """

    # Together, with the headers, 136 MiB for each target: the most that a stuck mirror can cost. See decision 0123.
    max_body_bytes: int = 1 << 20
    max_requests: int = 128
    deadline_ms: int = 15_000
    connect_timeout_ms: int = 1_000

    # Until a copy is connected, Envoy buffers no more than this of it: a body of 2 MiB held up the client's upload for
    # the whole connect timeout (measured on 1.40).
    BODY_BYTES_CEILING: ClassVar[int] = 1 << 20
    # Envoy's own default for any cluster: with it, 1,024 copies that hung cost 33 MB of heap (measured on 1.40).
    REQUESTS_CEILING: ClassVar[int] = 1024


class MirrorProfile(msgspec.Struct, frozen=True):
    """How one object has copies made: with limits, headers and a host of their own.

    `ref` is the object that declares the profile, `section` tells several profiles of one object apart. None is the
    mesh's own profile, whose name is empty. `guards` None: the mesh's. `headers` are changed on the copy alone. `host`
    replaces the Host of copies; "" leaves it to the Mirror.
    """

    ref: Ref | None = None
    section: str = ""
    guards: Guards | None = None
    headers: HeaderChanges = HeaderChanges()
    host: str = ""

    @property
    def name(self) -> str:
        """`mirrorplane.io/MirrorPolicy/shop/careful`, with `#section` where there is one: stable, and free of `|`."""
        if self.ref is None:
            return ""
        name = f"{self.ref.kind}/{self.ref.namespace}/{self.ref.name}"
        return f"{name}#{self.section}" if self.section else name


def profile_owner(name: str) -> Ref | None:
    """Return the object that declares the profile of a name; None for the mesh's own."""
    parts = name.partition("#")[0].rsplit("/", 2)  # a kind has a "/" of its own where it has a group
    return Ref(*parts) if len(parts) == len(Ref.__struct_fields__) else None


class Mirror(msgspec.Struct, frozen=True):
    """A copy of requests, sent to a second destination; its response is discarded.

    `fraction` is in parts per MILLION. `shadow_suffix`: Envoy appends `-shadow` to the copy's Host; `host` replaces it
    instead. `profile` is the name of the MirrorProfile; "" is the mesh's own.
    `mark` is added to COPY_HEADER of copies that may reach the route that made them again; "" to none.
    """

    destination: Destination
    ref: Ref
    fraction: int = MILLION
    shadow_suffix: bool = False
    host: str = ""
    profile: str = ""
    mark: str = ""
