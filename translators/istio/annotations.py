"""Annotations about traffic: which are supported, and on which kinds."""

from collections.abc import Iterator

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.meta import AnyObject

EXPORT_TO = "networking.istio.io/exportTo"
_GROUP = "networking.istio.io/"
_KNOWN = {EXPORT_TO: "Service"}
"""The supported annotations, each with its kind."""
_UNSUPPORTED = frozenset({f"{_GROUP}service-type", f"{_GROUP}address-type", f"{_GROUP}traffic-distribution"})
"""Istio's annotations about features that Mirrorplane does not have."""


def annotation_findings(obj: AnyObject) -> Iterator[Finding]:
    """Warn of annotations without effect (Istio IST0107, IST0108)."""
    for name in obj.annotations:
        kind = obj.ref.kind.rpartition("/")[2]
        path = f"metadata.annotations[{name}]"
        if _KNOWN.get(name, kind) != kind:
            message = f"annotation {name} has no effect on a {kind}: it belongs on a {_KNOWN[name]}"
            fix = "use spec.exportTo" if name == EXPORT_TO else ""
            yield Finding(obj.ref, "MisplacedAnnotation", message, path, Severity.WARNING, fix)
        elif name.startswith(_GROUP) and name not in _KNOWN:
            problem = "is not supported" if name in _UNSUPPORTED else "is unknown"
            message = f"annotation {name} {problem} and has no effect"
            yield Finding(obj.ref, "UnknownAnnotation", message, path, Severity.WARNING)
