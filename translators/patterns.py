"""Regexes from users: only RE2's, which Envoy uses, and only of a bounded size. Never Python's `re` on user text."""

import re2

LONGEST = 1024


def regex_problem(pattern: str) -> str:
    """Return why Envoy would not take a regex, or "" (Istio: at most 1024 characters, RE2 syntax)."""
    if not pattern:
        return "the regex is empty: it would match nothing"
    if len(pattern) > LONGEST:
        return f"the regex is {len(pattern)} characters long; {LONGEST} is the most allowed"
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(pattern, options)
    except re2.error as error:
        return f"the regex is not valid RE2: {_text(error)}"
    return ""


def _text(error: Exception) -> str:
    reason = error.args[0] if error.args else error
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
