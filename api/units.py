"""Units that users write: durations, percentages as Envoy counts them, ports."""

import re

MILLION = 1_000_000
"""Envoy's finest denominator of fractions."""
PORTS = range(1, 65536)
WEIGHTS = range(1_000_001)
"""Weights of endpoints: Envoy counts their sum in 32 bits."""
LONGEST_MS = 1000 * 3600 * 24 * 365
"""A year. Envoy refuses durations of centuries, and everything they came with."""
# Go's durations (time.ParseDuration), without signs.
_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:h|m|s|ms|us|µs|ns))+")
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(h|ms|m|s|us|µs|ns)")
_MAX_DIGITS = 9
_MILLISECONDS = {"h": 3_600_000.0, "m": 60_000.0, "s": 1_000.0, "ms": 1.0, "us": 1e-3, "µs": 1e-3, "ns": 1e-6}


def milliseconds(text: str) -> int:
    """Read a duration as Istio writes it (`5s`, `1.5s`, `1h2m`, `250ms`) into whole milliseconds.

    Raises ValueError when the text is no duration, is positive but under a millisecond (Istio refuses both), or is
    longer than a year.
    """
    if not _DURATION.fullmatch(text):
        raise ValueError(f"{text!r} is not a duration: write a number and a unit, for example 5s or 250ms")
    total = sum(float(number) * _MILLISECONDS[unit] for number, unit in _PART.findall(text))
    if 0 < total < 1:
        raise ValueError(f"{text!r} is shorter than 1ms, the smallest duration")
    if total > LONGEST_MS:
        raise ValueError(f"{text!r} is longer than a year, the longest duration")
    return round(total)


def whole_number(text: str) -> int | None:
    """Return the number that one to nine ASCII digits are; None for any other text.

    `str.isdigit` is also true of `²` and of 5,000 digits, and `int` raises for both.
    """
    return int(text) if text.isdigit() and text.isascii() and len(text) <= _MAX_DIGITS else None


def millionths(percent: float) -> int:
    """Turn per cent into parts per MILLION, rounded toward zero as Istio does; more than 100 counts as 100.

    The tiny addend undoes binary fractions: 12.3 % is 123,000 parts, not 122,999.
    """
    return min(int(percent * (MILLION / 100) + 1e-6), MILLION)


def duration_text(duration_ms: int) -> str:
    """Write a duration as users do: `15s`, `1.5s`, `250ms`."""
    whole, rest_ms = divmod(duration_ms, 1000)
    if not whole:
        return f"{duration_ms}ms"
    return f"{duration_ms / 1000}s" if rest_ms else f"{whole}s"


def size_text(size: int) -> str:
    """Write a number of bytes in the largest binary unit that is not below 1: `1 MiB`, `1.5 KiB`, `12 bytes`."""
    for unit, bits in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if size >= 1 << bits:
            return f"{size / (1 << bits):.4g} {unit}"
    return f"{size} bytes"
