"""Protobuf's variable-length integers, which joining already encoded messages needs."""

from functools import lru_cache

_SEVEN_BITS = 0x7F


@lru_cache(maxsize=8192)
def varint(number: int) -> bytes:
    """Encode a non-negative integer: seven bits a byte, the lowest first."""
    encoded = bytearray()
    while number > _SEVEN_BITS:
        encoded.append(number & _SEVEN_BITS | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
