"""How Envoy normalises paths and schemes before it evaluates routes, as observed with 1.40."""

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


def apply_path_form(path: str, form: PathForm) -> str | None:
    """Return a path as a listener normalises it. None: Envoy answers 400."""
    if form is PathForm.UNCHANGED:
        return path
    bare, mark, query = path.partition("?")
    if form is PathForm.DECODED:
        # Envoy counts the backslash as a slash: %5C is unescaped here, and turned in `normalize_path`.
        bare = _ESCAPED_SLASH.sub(lambda match: chr(int(match.group()[1:], 16)), bare)
    plain = normalize_path(bare + mark + query)
    if plain is None or form is PathForm.BASE:
        return plain
    bare, mark, query = plain.partition("?")
    return _merge_slashes(bare) + mark + query


def normalize_path(path: str) -> str | None:
    """Return a path as Envoy's `normalize_path` option rewrites it; the query is unchanged.

    Dot segments, unnecessary escapes and backslashes are removed; characters that are not allowed get escaped.

    None: Envoy answers 400, because it is not a path (`*`, a fragment) or contains NUL.
    """
    bare, mark, query = path.partition("?")
    if not bare.startswith("/") or "#" in path or "%00" in bare:
        return None
    plain = _CODE.sub(lambda match: _unescaped(match.group()), bare.replace("\\", "/"))
    return "".join(map(_escaped, _remove_dots(plain))) + mark + query


def scheme_of(request: Request) -> str:
    """Return the scheme: that of an absolute URL (the HTTP proxy's form), else what x-forwarded-proto says."""
    forwarded = dict(request.headers).get("x-forwarded-proto", "")
    return forwarded if request.port and forwarded in _SCHEMES else request.scheme


def _merge_slashes(path: str) -> str:
    """Join adjacent slashes; Envoy leaves two where the path has nothing else."""
    if "//" not in path:
        return path
    return "/" + "/".join(filter(None, path.split("/"))) + ("/" if path.endswith("/") else "")


def _unescaped(code: str) -> str:
    char = chr(int(code[1:], 16))
    return char if char in _UNRESERVED else code


def _escaped(char: str) -> str:
    return f"%{ord(char):02X}" if char in _ESCAPED or ord(char) >= _FIRST_BEYOND_ASCII else char


def _remove_dots(path: str) -> str:
    """Resolve `.` and `..` (RFC 3986, 5.2.4). Empty segments count; `..` at the root is dropped."""
    resolved: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del resolved[-1:]
        elif segment != ".":
            resolved.append(segment)
    if segments[-1] in {".", ".."}:
        resolved.append("")
    return "/" + "/".join(resolved)
