"""Certificates and keys, and who is trusted.

What is secret in them is never shown: their repr says only whose they are.
"""

import msgspec

from mirrorplane.api.meta import Ref


class Credential(msgspec.Struct, frozen=True):
    """What an object holds for TLS, PEM each, b"" where it has none.

    `chain` and `key` prove who a server is, for one of `names`; `ca` says whose clients hold, and `crl` which of those
    no longer do.
    """

    ref: Ref
    chain: bytes = b""
    key: bytes = b""
    ca: bytes = b""
    crl: bytes = b""
    names: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Credential({self.ref})"


class CaRefs(msgspec.Struct, frozen=True):
    """The objects that hold a CA bundle together, and the object that refers to them and needs permission for each."""

    referrer: Ref
    refs: tuple[Ref, ...]
