"""Paths as Envoy normalises them (`normalize_path`) before routes are looked at: as Envoy 1.40 was seen to do."""

import re
import string

_UNRESERVED = frozenset(string.ascii_letters + string.digits + "-._~")
_ESCAPED = frozenset('"<>^`{|} ')
_CODE = re.compile("%[0-9A-Fa-f]{2}")
_FIRST_BEYOND_ASCII = 0x80


def normalised(path: str) -> str | None:
    """Return a path without dot segments, escapes that need none, and backslashes; the query stays as it is.

    None: Envoy answers 400, since it is no path (`*`, a fragment) or holds NUL.
    """
    bare, mark, query = path.partition("?")
    if not bare.startswith("/") or "#" in path or "%00" in bare:
        return None
    plain = _CODE.sub(lambda found: _unescaped(found.group()), bare.replace("\\", "/"))
    return "".join(map(_escaped, _without_dots(plain))) + mark + query


def _unescaped(code: str) -> str:
    char = chr(int(code[1:], 16))
    return char if char in _UNRESERVED else code


def _escaped(char: str) -> str:
    return f"%{ord(char):02X}" if char in _ESCAPED or ord(char) >= _FIRST_BEYOND_ASCII else char


def _without_dots(path: str) -> str:
    """Return a path with `.` and `..` resolved (RFC 3986); empty segments count, and nothing is above the root."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in {".", ".."}:
        kept.append("")
    return "/" + "/".join(kept)
