"""Paths: how a match compares them, and how they are rewritten."""

import re2

from mirrorplane.translators import envoy
from mirrorplane.translators.matching.fields import full_match


def path_problem(said: envoy.RouteMatch, path: str) -> str:
    """Say why a path (with query) does not match, or "". The query never counts, and case only where it says so."""
    bare, kind = path.partition("?")[0], said.WhichOneof("path_specifier")
    if kind == "safe_regex":
        wanted = said.safe_regex.regex
        return "" if full_match(wanted, bare) else f"the path is {bare} (it has to match {wanted!r} as a whole)"
    wanted = getattr(said, kind)
    given, compared = (bare, wanted) if _case_counts(said) else (bare.lower(), wanted.lower())
    if kind == "path":
        return "" if given == compared else f"the path is {bare} (it has to be {wanted})"
    below = kind == "path_separated_prefix" and given != compared
    if given.startswith(f"{compared}/" if below else compared):
        return ""
    return f"the path is {bare} (it has to begin with {wanted})"


def matched(said: envoy.RouteMatch, path: str) -> str:
    """Return the part of a path that a rewrite of the prefix replaces: a prefix, or all but the query."""
    kind = said.WhichOneof("path_specifier")
    bare = path.partition("?")[0]
    return bare[: len(getattr(said, kind))] if kind in {"prefix", "path_separated_prefix"} else bare


def with_prefix(said: envoy.RouteMatch, path: str, prefix: str) -> str:
    """Return a path whose matched part is replaced."""
    return prefix + path[len(matched(said, path)) :]


def substituted(pattern: str, substitution: str, path: str) -> str:
    """Return a path with every match replaced, as RE2::GlobalReplace does: the query stays out of it.

    Unlike in Python, an empty match directly behind another match is none.
    """
    bare, mark, query = path.partition("?")
    made, at, last = "", 0, -1
    found = re2.compile(pattern).search(bare, at)
    while found is not None:
        start, end = found.span()
        if start == end == last:
            made += bare[start : start + 1]
            at = start + 1
        else:
            made += bare[at:start] + _expanded(found, substitution)
            at = last = end
        found = re2.compile(pattern).search(bare, at) if at <= len(bare) else None
    return made + bare[at:] + mark + query


def _expanded(found: "re2._Match[str]", substitution: str) -> str:
    r"""Return the substitution with `\1` and so on replaced; a group that took no part is empty."""
    made, rest = "", iter(substitution)
    for char in rest:
        following = next(rest, "") if char == "\\" else ""
        made += (found.group(int(following)) or "") if following.isdigit() else following or char
    return made


def _case_counts(said: envoy.RouteMatch) -> bool:
    return not said.HasField("case_sensitive") or bool(said.case_sensitive.value)
