"""HTTPPathModifier: what a path becomes."""

import re
from collections.abc import Iterator

import msgspec

from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds.gateway_api import filters as gw
from mirrorplane.api.kinds.gateway_api.http_route import HTTPRouteMatch
from mirrorplane.api.meta import Ref
from mirrorplane.translators.formats import text_problem

_EVERYTHING = "^/.*$"
_KINDS = {"ReplaceFullPath": "replaceFullPath", "ReplacePrefixMatch": "replacePrefixMatch"}


class NewPath(msgspec.Struct, frozen=True):
    """What a path becomes: all of it `whole`, the matched part `prefix`, or what `pattern` finds `substitution`."""

    whole: str = ""
    prefix: str = ""
    pattern: str = ""
    substitution: str = ""

    @property
    def as_pattern(self) -> "NewPath":
        """The same without `whole`."""
        if not self.whole:
            return self
        return NewPath(pattern=_EVERYTHING, substitution=self.whole.replace("\\", "\\\\"))


def new_path(said: gw.HTTPPathModifier | None, match: HTTPRouteMatch) -> NewPath:
    """Return what a path that matches becomes.

    Gateway API: where the prefix ended and the rest begins there is one slash, whichever of them wrote it.
    """
    if said is None:
        return NewPath()
    if said.replace_full_path is not None:
        return NewPath(whole=_absolute(said.replace_full_path))
    prefix, matched = _absolute(said.replace_prefix_match or "").rstrip("/"), match.path.value.rstrip("/")
    if not matched:
        return NewPath(prefix=f"{prefix}/")  # what is matched is the slash itself
    if not prefix:
        return NewPath(pattern=f"^{re.escape(matched)}/*", substitution="/")
    return NewPath(prefix=prefix)


def path_findings(about: Ref, path: str, said: gw.HTTPPathModifier) -> Iterator[Finding]:
    """Refuse what the API server refuses, and what Envoy would."""
    for kind, text in (
        ("ReplaceFullPath", said.replace_full_path),
        ("ReplacePrefixMatch", said.replace_prefix_match),
    ):
        field = _KINDS[kind]
        if said.type == kind and text is None:
            yield Finding(about, "InvalidPath", f"{field} must be specified when type is set to '{kind}'", path)
        if said.type != kind and text is not None:
            yield Finding(about, "InvalidPath", f"type must be '{kind}' when {field} is set", f"{path}.type")
        if text and (problem := text_problem(text)):
            yield Finding(about, "InvalidPath", problem, f"{path}.{field}")


def _absolute(path: str) -> str:
    return path if path.startswith("/") else f"/{path}"
