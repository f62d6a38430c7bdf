"""Protobuf's variable-length integers: what joining encoded messages needs, in translation and in the protocol."""

from functools import lru_cache

_SEVEN_BITS = 0x7F


@lru_cache(maxsize=8192)
def varint(number: int) -> bytes:
    """Return a non-negative integer as protobuf writes it: seven bits a byte, the low ones first."""
    encoded = bytearray()
    while number > _SEVEN_BITS:
        encoded.append(number & _SEVEN_BITS | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
