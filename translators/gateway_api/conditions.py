"""Findings -> conditions: the reason of a finding decides which condition is false, its path of which part."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mirrorplane.api.finding import Finding
from mirrorplane.api.status import FALSE, TRUE, Condition

UNSUPPORTED_VALUE = "UnsupportedValue"
_UNREACHABLE = (
    *(f"{mirror}{part}NotFound" for mirror in ("", "Mirror") for part in ("Host", "Port", "Subset")),
    "NotCallable",
    "MirrorNotCallable",
)
"""Reasons of the check of destinations, which is the same for all APIs."""
_API_REASONS = {reason: "BackendNotFound" for reason in _UNREACHABLE if not reason.endswith("NotCallable")} | {
    "GatewayConflict": "PortUnavailable"
}
"""Reasons of checks -> Gateway API's; others are used as they are, since the API allows custom reasons."""
_CONFLICTS = ("HostnameConflict", "ProtocolConflict")
LISTENER: Mapping[str, tuple[str, ...]] = {
    "Accepted": (
        *_CONFLICTS,
        "PortUnavailable",
        "UnsupportedProtocol",
        UNSUPPORTED_VALUE,
        "NoValidCACertificate",
        "GatewayConflict",
    ),
    "ResolvedRefs": (
        "InvalidCertificateRef",
        "InvalidRouteKinds",
        "RefNotPermitted",
        "InvalidCACertificateRef",
        "InvalidCACertificateKind",
    ),
    "Conflicted": _CONFLICTS,
    "OverlappingTLSConfig": ("OverlappingHostnames", "OverlappingCertificates"),
}
"""Reasons by condition, for a listener."""
GATEWAY: Mapping[str, tuple[str, ...]] = {
    "Accepted": ("InvalidParameters", "UnsupportedAddress"),
    "ResolvedRefs": ("RefNotPermitted", "InvalidClientCertificateRef"),
    "InsecureFrontendValidationMode": ("ConfigurationChanged",),
}
ROUTE: Mapping[str, tuple[str, ...]] = {
    "Accepted": (
        "NotAllowedByListeners",
        "NoMatchingListenerHostname",
        "NoMatchingParent",
        "Conflicted",
        UNSUPPORTED_VALUE,
        "IncompatibleFilters",
    ),
    "ResolvedRefs": ("RefNotPermitted", "InvalidKind", "BackendNotFound", "UnsupportedProtocol", *_UNREACHABLE),
}
BACKEND_TLS: Mapping[str, tuple[str, ...]] = {
    "Accepted": ("Conflicted", "Invalid", "TargetNotFound", "NoValidCACertificate"),
    "ResolvedRefs": ("InvalidCACertificateRef", "InvalidKind"),
}
"""Reasons by condition, for a BackendTLSPolicy."""
DROPPED_RULE = (UNSUPPORTED_VALUE, "UnsupportedFilter", "UnsupportedMethod", "IncompatibleFilters")
"""Reasons for which a rule is dropped, or answered with an error, while the other rules of the route are served."""


def findings_below(path: str, findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings about a field or the fields below it."""
    return tuple(f for f in findings if f.path == path or f.path.startswith((f"{path}.", f"{path}[")))


def dropped_rules(findings: Iterable[Finding]) -> list[str]:
    """Return the indexes of the rules of a route that are not served, as they are written in paths."""
    rules = (f.path for f in findings_below("spec.rules", findings) if f.reason in DROPPED_RULE)
    return list(dict.fromkeys(path.removeprefix("spec.rules[").partition("]")[0] for path in rules))


def has_no_rules_left(findings: Iterable[Finding], rules: Sequence[Any]) -> bool:
    """Tell whether none of the rules of a route is served, so that the route is not accepted.

    A rule that answers the share of one backend with an error still serves that of the others.
    """
    dropped = tuple(finding for finding in findings if finding.reason in DROPPED_RULE)
    return bool(rules) and not any(_is_left(f"spec.rules[{i}]", rule, dropped) for i, rule in enumerate(rules))


def _is_left(path: str, rule: Any, dropped: tuple[Finding, ...]) -> bool:
    below = findings_below(path, dropped)
    if not all(finding.path.startswith(f"{path}.backendRefs[") for finding in below):
        return False
    return not below or any(
        backend.weight and not findings_below(f"{path}.backendRefs[{i}]", below)
        for i, backend in enumerate(rule.backend_refs)
    )


def positive(kind: str, reasons: Iterable[str], findings: Iterable[Finding]) -> Condition:
    """Return a condition that is true unless a finding has one of these reasons; true, its reason is its name."""
    matching = _with_reasons(reasons, findings)
    if not matching:
        return Condition(kind, TRUE, kind)
    # A condition has one reason, that of the first finding; its message has them all.
    reason = matching[0].reason
    return Condition(kind, FALSE, _API_REASONS.get(reason, reason), _message(matching))


def negative(kind: str, reasons: Iterable[str], findings: Iterable[Finding]) -> tuple[Condition, ...]:
    """Return a condition that exists, and is true, only when a finding has one of these reasons."""
    matching = _with_reasons(reasons, findings)
    return (Condition(kind, TRUE, matching[0].reason, _message(matching)),) if matching else ()


def _with_reasons(reasons: Iterable[str], findings: Iterable[Finding]) -> list[Finding]:
    selected = frozenset(reasons)
    return [finding for finding in findings if finding.reason in selected]


def _message(findings: Iterable[Finding]) -> str:
    return "; ".join(dict.fromkeys(f"{finding.path}: {finding.message}" for finding in findings))
