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


class Trust(msgspec.Struct, frozen=True):
    """Objects that say together whose certificates hold, and the object that names them, and must be permitted to."""

    asker: Ref
    authorities: tuple[Ref, ...]
