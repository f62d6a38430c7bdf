"""How route matches compare paths, and how rewrites replace them."""

import re2

from mirrorplane.api.units import whole_number
from mirrorplane.translators import envoy
from mirrorplane.translators.matching.fields import full_match


def path_problem(match: envoy.RouteMatch, path: str) -> str:
    """Return why a path does not match, or "". The query is ignored, and so is case if the match says so."""
    bare, kind = path.partition("?")[0], match.WhichOneof("path_specifier")
    if kind == "safe_regex":
        regex = match.safe_regex.regex
        return "" if full_match(regex, bare) else f"the path is {bare} (it must fully match the regex {regex!r})"
    pattern = getattr(match, kind)
    compared_path, compared = (bare, pattern) if _is_case_sensitive(match) else (bare.lower(), pattern.lower())
    if kind == "path":
        return "" if compared_path == compared else f"the path is {bare} (it must be {pattern})"
    nested = kind == "path_separated_prefix" and compared_path != compared
    if compared_path.startswith(f"{compared}/" if nested else compared):
        return ""
    return f"the path is {bare} (it must start with {pattern})"


def matched_part(match: envoy.RouteMatch, path: str) -> str:
    """Return the part of a path that a prefix rewrite replaces: the matched prefix, or all but the query."""
    kind = match.WhichOneof("path_specifier")
    bare = path.partition("?")[0]
    return bare[: len(getattr(match, kind))] if kind in {"prefix", "path_separated_prefix"} else bare


def replace_prefix(match: envoy.RouteMatch, path: str, prefix: str) -> str:
    """Return a path with its matched part replaced."""
    return prefix + path[len(matched_part(match, path)) :]


def replace_regex(pattern: str, substitution: str, path: str) -> str:
    """Return a path with every match replaced, as RE2::GlobalReplace does; the query is unchanged.

    Unlike Python's `sub`, RE2 ignores an empty match directly behind another match.
    """
    bare, mark, query = path.partition("?")
    result, position, previous_end = "", 0, -1
    match = re2.compile(pattern).search(bare, position)
    while match is not None:
        start, end = match.span()
        if start == end == previous_end:
            result += bare[start : start + 1]
            position = start + 1
        else:
            result += bare[position:start] + _expand(match, substitution)
            position = previous_end = end
        match = re2.compile(pattern).search(bare, position) if position <= len(bare) else None
    return result + bare[position:] + mark + query


def _expand(match: "re2._Match[str]", substitution: str) -> str:
    r"""Return the substitution with `\1` and so on replaced; a group that did not participate is empty."""
    result, characters = "", iter(substitution)
    for char in characters:
        following = next(characters, "") if char == "\\" else ""
        group = whole_number(following)
        result += following or char if group is None else match.group(group) or ""
    return result


def _is_case_sensitive(match: envoy.RouteMatch) -> bool:
    return not match.HasField("case_sensitive") or bool(match.case_sensitive.value)
