"""What Envoy would refuse in text from users: regexes that are not RE2's or too large, names that are no header names.

One such text makes Envoy reject all it came with, so it is refused before. Never Python's `re` for a user's regex.
"""

import string

import re2

LONGEST = 1024
LARGEST_PROGRAM = 32_768
"""What our bootstrap allows a compiled regex (`re2.max_program_size.error_level`, as Istio's does)."""
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


def _text(error: Exception) -> str:
    reason = error.args[0] if error.args else error
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
