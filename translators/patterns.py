"""What Envoy rejects in text from users: invalid or large regexes, invalid header names.

One such text makes Envoy reject the whole resource, so we refuse it first. Never use Python's `re` for a user's regex:
its dialect differs from RE2's, and its running time is unbounded.
"""

import re
import string

import re2

LONGEST = 1024
LARGEST_PROGRAM = 32_768
"""The limit of a compiled regex that our bootstrap sets (`re2.max_program_size.error_level`, as Istio's does)."""
_OPENING = re.compile(r"\^?(?:\((?:\?:|\?P?<\w+>)?)*")
_GROUP = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|(?P<group>\((?!\?)|\(\?P?<\w+>)")
"""An escape, a character class, or the opening of a capturing group."""
_TOKEN = frozenset(string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~")


def is_header_name(name: str) -> bool:
    """Tell whether a header name is valid (RFC 9110: a token)."""
    return bool(name) and set(name) <= _TOKEN


def regex_problem(pattern: str) -> str:
    """Return why Envoy or Istio rejects a regex, or "" (Istio: RE2 syntax, at most 1,024 characters)."""
    if not pattern:
        return "the regex must not be empty"
    if len(pattern) > LONGEST:
        return f"the regex is {len(pattern)} characters long; the limit is {LONGEST}"
    options = re2.Options()
    options.log_errors = False
    try:
        size = re2.compile(pattern, options).programsize
    except re2.error as error:
        return f"the regex is not valid RE2: {_text(error)}"
    if size > LARGEST_PROGRAM:
        return f"the regex compiles to {size} instructions; Envoy's limit is {LARGEST_PROGRAM}"
    return ""


def regex_groups(pattern: str) -> int:
    """Return how many groups a valid regex has."""
    groups: int = re2.compile(pattern).groups
    return groups


def may_lose_slash(pattern: str, substitution: str) -> bool:
    """Tell whether a regex rewrite may remove the leading slash of a path.

    A heuristic on the texts: the regex consumes the first slash, and the substitution does not restore it.
    """
    if substitution.startswith("/") or not _consumes_slash(pattern):
        return False
    if substitution[:1] == "\\" and substitution[1:2].isdigit():
        number = int(substitution[1])
        return bool(number) and not _restores_slash(pattern, number)
    return True


def _consumes_slash(pattern: str) -> bool:
    """Tell whether a regex starts with a slash or a dot, inside any groups."""
    bare = _OPENING.sub("", pattern, count=1)
    return bare.startswith(("/", "\\/", "."))


def _restores_slash(pattern: str, number: int) -> bool:
    """Tell whether a group starts with a slash, or at the start of the regex."""
    openings = [match.end() for match in _GROUP.finditer(pattern) if match["group"]]
    if number > len(openings):
        return False
    start, opening = openings[number - 1], _OPENING.match(pattern)
    return pattern.startswith(("/", "\\/"), start) or (opening is not None and start <= opening.end())


def _text(error: Exception) -> str:
    reason = error.args[0] if error.args else error
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
