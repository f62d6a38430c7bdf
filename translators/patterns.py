"""What Envoy rejects in text from users: invalid or large regexes, invalid header names.

One such text makes Envoy reject the whole resource, so we refuse it first. Never use Python's `re` for a user's regex:
its dialect differs from RE2's, and its running time is unbounded.
"""

import re
import string
from collections.abc import Iterable, Iterator
from functools import lru_cache

import msgspec
import re2

from mirrorplane.api.units import whole_number

LONGEST = 1024
LARGEST_PROGRAM = 32_768
"""The limit of a compiled regex that our bootstrap sets (`re2.max_program_size.error_level`, as Istio's does)."""
REGEX_BUDGET = 16 * LARGEST_PROGRAM
"""Instructions that the different regexes of one object may compile to together, here and in every proxy.

10,000 regexes like `/api/v[0-9]+/.*` fit. See decision 0141.
"""
_MAX_MEMORY = 3 << 20
"""What RE2 may use to compile one: enough for LARGEST_PROGRAM instructions. Its default, 8 MiB, takes 0.4 s of CPU."""
_CLASS_COST = 256
"""Instructions that take as long to compile as one Unicode class takes to parse (measured: 0.1 ms)."""
_CLASS = re.compile(r"\\[pP]|\[:\^?\w+:\]")
_OPENING = re.compile(r"\^?(?:\((?:\?:|\?P?<\w+>)?)*")
_GROUP = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|(?P<group>\((?!\?)|\(\?P?<\w+>)")
"""An escape, a character class, or the opening of a capturing group."""
_TOO_LARGE = f"the regex compiles to more than {LARGEST_PROGRAM} instructions, Envoy's limit"
_OVER_BUDGET = (
    f"the regexes up to here compile to more than {REGEX_BUDGET} instructions, the limit for one object: use simpler "
    "regexes, prefixes or exact values, or several objects"
)
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
    return _compile(pattern).problem


def regex_groups(pattern: str) -> int:
    """Return how many groups a valid regex has."""
    return _compile(pattern).groups


def budget_problems(groups: Iterable[Iterable[str]]) -> Iterator[str]:
    """Return for each group of an object's regexes why they cannot be served with those before, or "".

    Nothing is compiled once the budget is spent, so this bounds what the regexes of one object can cost.
    """
    different: set[str] = set()
    spent = 0
    for group in groups:
        for pattern in group:
            if spent <= REGEX_BUDGET and pattern not in different:
                different.add(pattern)
                spent += _cost(pattern)
        yield _OVER_BUDGET if spent > REGEX_BUDGET else ""


class _Compiled(msgspec.Struct, frozen=True):
    problem: str = ""
    size: int = LARGEST_PROGRAM
    groups: int = 0


# Refused ones too: the same regex in 300 matches is compiled once.
@lru_cache(maxsize=4096)
def _compile(pattern: str) -> _Compiled:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MAX_MEMORY
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        return _Compiled(_compile_problem(error))
    problem = _TOO_LARGE if compiled.programsize > LARGEST_PROGRAM else ""
    return _Compiled(problem, compiled.programsize, compiled.groups)


def _compile_problem(error: Exception) -> str:
    reason = error.args[0] if error.args else error
    text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
    return _TOO_LARGE if text.startswith("pattern too large") else f"the regex is not valid RE2: {text}"


def _cost(pattern: str) -> int:
    """Return what a regex costs to compile, in instructions. Those too long are refused without."""
    if len(pattern) > LONGEST:
        return 0
    return _compile(pattern).size + _CLASS_COST * len(_CLASS.findall(pattern))


def may_lose_slash(pattern: str, substitution: str) -> bool:
    """Tell whether a regex rewrite may remove the leading slash of a path.

    A heuristic on the texts: the regex consumes the first slash, and the substitution does not restore it.
    """
    if substitution.startswith("/") or not _consumes_slash(pattern):
        return False
    number = whole_number(substitution[1:2]) if substitution[:1] == "\\" else None
    if number is not None:
        return number != 0 and not _restores_slash(pattern, number)
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
