"""HTTPPathModifier -> how a path is rewritten."""

import re
from collections.abc import Iterator

import msgspec

from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds.gateway_api import filters as gw
from mirrorplane.api.kinds.gateway_api.http_route import HTTPRouteMatch
from mirrorplane.api.meta import Ref
from mirrorplane.translators.formats import text_problem
from mirrorplane.translators.gateway_api.conditions import UNSUPPORTED_VALUE

# Envoy's regex_rewrite sees the path alone, and keeps the query as Gateway API wants it.
_EVERYTHING = "^/.*$"
_KINDS = {"ReplaceFullPath": "replaceFullPath", "ReplacePrefixMatch": "replacePrefixMatch"}


class NewPath(msgspec.Struct, frozen=True):
    """A rewritten path: `full` replaces all of it, `prefix` the matched part, `substitution` what `pattern` finds."""

    full: str = ""
    prefix: str = ""
    pattern: str = ""
    substitution: str = ""

    @property
    def as_pattern(self) -> "NewPath":
        """The same without `full`, which Envoy has for redirects but not for rewrites."""
        if not self.full:
            return self
        # In RE2's substitution a backslash begins the number of a group.
        return NewPath(pattern=_EVERYTHING, substitution=self.full.replace("\\", "\\\\"))


def new_path(spec: gw.HTTPPathModifier | None, match: HTTPRouteMatch) -> NewPath:
    """Return how a matching path is rewritten.

    Gateway API: between the new prefix and the rest there is exactly one slash, whichever of them has one.
    """
    if spec is None:
        return NewPath()
    if spec.replace_full_path is not None:
        return NewPath(full=_absolute(spec.replace_full_path))
    prefix, matched = _absolute(spec.replace_prefix_match or "").rstrip("/"), match.path.value.rstrip("/")
    if not matched:
        return NewPath(prefix=f"{prefix}/")  # the match ends with the slash itself
    # Removing a prefix from /a/b must leave /b, and from /a leave /: an empty prefix_rewrite changes nothing.
    if not prefix:
        return NewPath(pattern=f"^{re.escape(matched)}/*", substitution="/")
    return NewPath(prefix=prefix)


def path_findings(about: Ref, path: str, spec: gw.HTTPPathModifier) -> Iterator[Finding]:
    """Report what the API server rejects, and what Envoy would."""
    for kind, text in (
        ("ReplaceFullPath", spec.replace_full_path),
        ("ReplacePrefixMatch", spec.replace_prefix_match),
    ):
        field = _KINDS[kind]
        if spec.type == kind and text is None:
            yield Finding(about, "InvalidPath", f"{field} must be specified when type is set to '{kind}'", path)
        if spec.type != kind and text is not None:
            yield Finding(about, "InvalidPath", f"type must be '{kind}' when {field} is set", f"{path}.type")
        if text and (problem := text_problem(text)):
            yield Finding(about, UNSUPPORTED_VALUE, problem, f"{path}.{field}")


def _absolute(path: str) -> str:
    return path if path.startswith("/") else f"/{path}"
