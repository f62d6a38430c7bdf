"""Validation of workload selectors."""

from collections.abc import Iterator, Mapping

from mirrorplane.api.finding import Finding
from mirrorplane.api.meta import Ref


def selector_findings(about: Ref, path: str, labels: Mapping[str, str]) -> Iterator[Finding]:
    """Refuse empty keys and wildcards (Istio: `validateWorkloadSelector` in pkg/config/validation)."""
    for key, value in sorted(labels.items()):
        if not key:
            yield Finding(about, "InvalidSelector", f"empty key is not supported in selector: {value!r}", path)
        if "*" in key + value:
            message = f"wildcard is not supported in selector: {key}={value}"
            yield Finding(about, "InvalidSelector", message, path)
