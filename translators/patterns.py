"""What Envoy would refuse in text from users: regexes that are not RE2's or too large, names that are no header names.

One such text makes Envoy reject all it came with, so it is refused before. Never Python's `re` for a user's regex.
"""

import re
import string

import re2

LONGEST = 1024
LARGEST_PROGRAM = 32_768
"""What our bootstrap allows a compiled regex (`re2.max_program_size.error_level`, as Istio's does)."""
_OPENING = re.compile(r"\^?(?:\((?:\?:|\?P?<\w+>)?)*")
_GROUP = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|(?P<group>\((?!\?)|\(\?P?<\w+>)")
"""An escape, a class of characters, or what opens a group that has a number."""
_TOKEN = frozenset(string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~")


def is_header_name(name: str) -> bool:
    """Tell whether a header can have this name (RFC 9110: a token)."""
    return bool(name) and set(name) <= _TOKEN


def regex_problem(pattern: str) -> str:
    """Return why Envoy would not take a regex, or "" (Istio: at most 1024 characters, RE2 syntax)."""
    if not pattern:
        return "the regex is empty: it would match nothing"
    if len(pattern) > LONGEST:
        return f"the regex is {len(pattern)} characters long; {LONGEST} is the most allowed"
    options = re2.Options()
    options.log_errors = False
    try:
        size = re2.compile(pattern, options).programsize
    except re2.error as error:
        return f"the regex is not valid RE2: {_text(error)}"
    if size > LARGEST_PROGRAM:
        return f"the regex compiles to {size} instructions; {LARGEST_PROGRAM} is the most Envoy takes"
    return ""


def regex_groups(pattern: str) -> int:
    """Return how many groups a valid regex has."""
    groups: int = re2.compile(pattern).groups
    return groups


def may_lose_slash(pattern: str, substitution: str) -> bool:
    """Tell whether replacing what a valid regex matches in a path may leave it without the slash it begins with.

    As far as the texts show it: the regex takes the first slash, and nothing of the substitution brings one back.
    """
    if substitution.startswith("/") or not _takes_slash(pattern):
        return False
    if substitution[:1] == "\\" and substitution[1:2].isdigit():
        number = int(substitution[1])
        return bool(number) and not _brings_slash(pattern, number)
    return True


def _takes_slash(pattern: str) -> bool:
    """Tell whether a regex begins with a slash or anything, inside of whatever groups."""
    bare = _OPENING.sub("", pattern, count=1)
    return bare.startswith(("/", "\\/", "."))


def _brings_slash(pattern: str, number: int) -> bool:
    """Tell whether a group of a regex begins with a slash, or with all that the regex begins with."""
    bindings = [found.end() for found in _GROUP.finditer(pattern) if found["group"]]
    if number > len(bindings):
        return False
    start, first = bindings[number - 1], _OPENING.match(pattern)
    return pattern.startswith(("/", "\\/"), start) or (first is not None and start <= first.end())


def _text(error: Exception) -> str:
    reason = error.args[0] if error.args else error
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
