"""exportTo: who may see an object, and what is wrong with the list."""

from collections import Counter
from collections.abc import Iterator

from mirrorplane.api.finding import Finding
from mirrorplane.api.meta import Ref

_EVERYONE, _OWN, _NOBODY = "*", ".", "~"
_PATH = "spec.exportTo"


def export_findings(about: Ref, said: tuple[str, ...]) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses."""
    for entry, count in Counter(said).items():
        if count > 1:
            yield Finding(about, "InvalidExportTo", f"duplicate entries in exportTo for entry {entry}", _PATH)
    if _OWN in said and about.namespace in said:
        message = f"duplicate entries in exportTo: . and current namespace {about.namespace}"
        yield Finding(about, "InvalidExportTo", message, _PATH)
    if _EVERYONE in said and len(set(said)) > 1:
        message = "cannot have both public (*) and non-public exportTo values for a resource"
        yield Finding(about, "InvalidExportTo", message, _PATH)
    if _NOBODY in said and len(set(said)) > 1:
        yield Finding(about, "InvalidExportTo", "cannot export to no one (~) and someone", _PATH)
