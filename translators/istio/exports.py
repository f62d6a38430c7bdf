"""Validation of exportTo, the namespaces that may see an object."""

from collections import Counter
from collections.abc import Iterator

from mirrorplane.api.finding import Finding
from mirrorplane.api.meta import Ref

_PUBLIC, _SAME_NAMESPACE, _NONE = "*", ".", "~"
_PATH = "spec.exportTo"


def export_findings(about: Ref, export_to: tuple[str, ...]) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses."""
    for entry, count in Counter(export_to).items():
        if count > 1:
            yield Finding(about, "InvalidExportTo", f"duplicate entries in exportTo for entry {entry}", _PATH)
    if _SAME_NAMESPACE in export_to and about.namespace in export_to:
        message = f"duplicate entries in exportTo: . and current namespace {about.namespace}"
        yield Finding(about, "InvalidExportTo", message, _PATH)
    if _PUBLIC in export_to and len(set(export_to)) > 1:
        message = "cannot have both public (*) and non-public exportTo values for a resource"
        yield Finding(about, "InvalidExportTo", message, _PATH)
    if _NONE in export_to and len(set(export_to)) > 1:
        yield Finding(about, "InvalidExportTo", "cannot export to no one (~) and someone", _PATH)
