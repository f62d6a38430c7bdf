"""Annotations that say something about traffic: which are read, and whether they stand where they are."""

from collections.abc import Iterator

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.meta import AnyObject

EXPORT_TO = "networking.istio.io/exportTo"
_GROUP = "networking.istio.io/"
_KNOWN = {EXPORT_TO: "Service"}
"""Those that are read, each with the kind that it is read of."""
_ELSEWHERE = frozenset({f"{_GROUP}service-type", f"{_GROUP}address-type", f"{_GROUP}traffic-distribution"})
"""Those of Istio that are about what is not served here."""


def annotation_findings(obj: AnyObject) -> Iterator[Finding]:
    """Warn of annotations that change nothing (Istio IST0107, IST0108)."""
    for name in obj.annotations:
        kind = obj.ref.kind.rpartition("/")[2]
        path = f"metadata.annotations[{name}]"
        if _KNOWN.get(name, kind) != kind:
            message = f"{name} is an annotation of a {_KNOWN[name]}, and changes nothing on a {kind}"
            fix = "write spec.exportTo" if name == EXPORT_TO else ""
            yield Finding(obj.ref, "MisplacedAnnotation", message, path, Severity.WARNING, fix)
        elif name.startswith(_GROUP) and name not in _KNOWN:
            unknown = "is not read here" if name in _ELSEWHERE else "is not known"
            message = f"the annotation {name} {unknown} and changes nothing"
            yield Finding(obj.ref, "UnknownAnnotation", message, path, Severity.WARNING)
