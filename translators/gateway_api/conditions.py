"""Findings -> conditions: each says by its reason which condition it makes false, and by its path of which part."""

from collections.abc import Iterable, Mapping

from mirrorplane.api.finding import Finding
from mirrorplane.api.status import FALSE, TRUE, Condition

UNSUPPORTED_VALUE = "UnsupportedValue"
_UNREACHABLE = (
    *(f"{mirror}{part}NotFound" for mirror in ("", "Mirror") for part in ("Host", "Port", "Subset")),
    "MirrorNotCallable",
)
"""Reasons of the check of destinations, which knows no API."""
_API_REASONS = {reason: "BackendNotFound" for reason in _UNREACHABLE if reason != "MirrorNotCallable"} | {
    "GatewayConflict": "PortUnavailable"
}
"""Reasons of checks -> Gateway API's own; all others are used as they are (the API permits reasons of one's own)."""
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
PARTLY = (UNSUPPORTED_VALUE, "UnsupportedFilter", "UnsupportedMethod", "IncompatibleFilters")
"""Reasons for which rules of a route are answered by an error, and the others go on."""


def below(path: str, said: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings about a field or what is below it."""
    return tuple(f for f in said if f.path == path or f.path.startswith((f"{path}.", f"{path}[")))


def lost_rules(said: Iterable[Finding]) -> list[str]:
    """Return the numbers of the rules of a route that are not served, as they stand in paths."""
    rules = (f.path for f in below("spec.rules", said) if f.reason in PARTLY)
    return list(dict.fromkeys(path.removeprefix("spec.rules[").partition("]")[0] for path in rules))


def is_lost(said: Iterable[Finding], rules: int) -> bool:
    """Tell whether none of so many rules of a route is served, so that the route is not accepted."""
    return rules > 0 and len(lost_rules(said)) == rules


def positive(kind: str, reasons: Iterable[str], said: Iterable[Finding]) -> Condition:
    """Return a condition that is true unless a finding has one of these reasons; true, its reason is its name."""
    found = _with(reasons, said)
    if not found:
        return Condition(kind, TRUE, kind)
    return Condition(kind, FALSE, _API_REASONS.get(found[0].reason, found[0].reason), _told(found))


def negative(kind: str, reasons: Iterable[str], said: Iterable[Finding]) -> tuple[Condition, ...]:
    """Return a condition that is only there when a finding has one of these reasons."""
    found = _with(reasons, said)
    return (Condition(kind, TRUE, found[0].reason, _told(found)),) if found else ()


def _with(reasons: Iterable[str], said: Iterable[Finding]) -> list[Finding]:
    wanted = frozenset(reasons)
    return [finding for finding in said if finding.reason in wanted]


def _told(found: Iterable[Finding]) -> str:
    return "; ".join(dict.fromkeys(f"{finding.path}: {finding.message}" for finding in found))
