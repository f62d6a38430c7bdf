"""Certificates with keys, and CA bundles.

Their repr names only the object that they come from, so that logs and tracebacks never have a secret.
"""

import msgspec

from mirrorplane.api.meta import Ref


class Credential(msgspec.Struct, frozen=True):
    """The TLS material of an object, each PEM, b"" where it has none.

    `chain` and `key` are a server's certificate and key, for the DNS names `names`; `ca` is the bundle that peers are
    verified with, and `crl` its list of revoked certificates.
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
