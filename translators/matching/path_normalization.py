"""What Envoy makes of paths and schemes before it looks at routes: as 1.40 was seen to do."""

import re
import string

from mirrorplane.api.settings import PathForm
from mirrorplane.api.tracing import Request

_UNRESERVED = frozenset(string.ascii_letters + string.digits + "-._~")
_ESCAPED = frozenset('"<>^`{|} ')
_SCHEMES = ("http", "https")
_ESCAPED_SLASH = re.compile("%2[Ff]|%5[Cc]")
_CODE = re.compile("%[0-9A-Fa-f]{2}")
_FIRST_BEYOND_ASCII = 0x80


def formed(path: str, form: PathForm) -> str | None:
    """Return a path as a listener makes it before routes are looked at. None: Envoy answers 400."""
    if form is PathForm.AS_SAID:
        return path
    bare, mark, query = path.partition("?")
    if form is PathForm.DECODED:
        bare = _ESCAPED_SLASH.sub(lambda found: chr(int(found.group()[1:], 16)), bare)
    plain = normalised(bare + mark + query)
    if plain is None or form is PathForm.BASE:
        return plain
    bare, mark, query = plain.partition("?")
    return _merged(bare) + mark + query


def normalised(path: str) -> str | None:
    """Return a path as `normalize_path` makes it; the query stays as it is.

    Dot segments, escapes that need none and backslashes go; characters that no path can hold are escaped.

    None: Envoy answers 400, since it is no path (`*`, a fragment) or holds NUL.
    """
    bare, mark, query = path.partition("?")
    if not bare.startswith("/") or "#" in path or "%00" in bare:
        return None
    plain = _CODE.sub(lambda found: _unescaped(found.group()), bare.replace("\\", "/"))
    return "".join(map(_escaped, _without_dots(plain))) + mark + query


def scheme_of(request: Request) -> str:
    """Return the scheme: that of the URL if the client says one (as to a proxy), else what x-forwarded-proto says."""
    forwarded = dict(request.headers).get("x-forwarded-proto", "")
    return forwarded if request.port and forwarded in _SCHEMES else request.scheme


def _merged(path: str) -> str:
    """Join slashes that follow each other, as Envoy does: a path of nothing else keeps two."""
    if "//" not in path:
        return path
    return "/" + "/".join(filter(None, path.split("/"))) + ("/" if path.endswith("/") else "")


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
