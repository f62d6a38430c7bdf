"""Settings that Istio's MeshConfig and our own share -> fields of MeshSettings."""

from collections.abc import Iterator
from typing import Any

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.kinds.istio.mesh_config import TrafficSettings
from mirrorplane.api.meta import Ref
from mirrorplane.api.proxy import OWN_PORTS
from mirrorplane.api.settings import PathForm
from mirrorplane.api.units import PORTS, milliseconds
from mirrorplane.translators.istio.connection_pool import keepalive_findings, keepalive_of
from mirrorplane.translators.istio.locality_lb import (
    locality_lb_findings,
    locality_lb_of,
    zone_aware_lb_findings,
    zone_aware_lb_of,
)
from mirrorplane.translators.istio.retries import retries_of, retry_findings
from mirrorplane.translators.istio.scalars import duration_findings

LOGS = ("", "/dev/stdout", "/dev/stderr", "/dev/null")
"""Files that every Envoy can open: it rejects all listeners for a file that it cannot."""
_MODES = ("ALLOW_ANY", "REGISTRY_ONLY")
_UPGRADES = ("UPGRADE", "DO_NOT_UPGRADE")
_PATHS = {
    # DEFAULT and BASE are the same in Istio.
    "DEFAULT": PathForm.BASE,
    "NONE": PathForm.UNCHANGED,
    "BASE": PathForm.BASE,
    "MERGE_SLASHES": PathForm.MERGED,
    "DECODE_AND_MERGE_SLASHES": PathForm.DECODED,
}
_NONE = "~"
_SHORTEST_REFRESH_MS = 1
"""Envoy rejects a refresh rate this short."""


def settings_of(spec: TrafficSettings) -> dict[str, Any]:
    """Return the settings by field of MeshSettings; None is unset."""
    outbound, paths = spec.outbound_traffic_policy, spec.path_normalization
    return {
        "root_namespace": spec.root_namespace,
        "proxy_http_port": spec.proxy_http_port,
        "connect_timeout_ms": _ms(spec.connect_timeout),
        "allow_any": None if outbound is None else outbound.mode == "ALLOW_ANY",
        "access_log": spec.access_log_file if spec.access_log_file in LOGS else None,
        "retries": retries_of(spec.default_http_retry_policy),
        "services_export_to": spec.default_service_export_to or None,
        "rules_export_to": spec.default_virtual_service_export_to or None,
        "policies_export_to": spec.default_destination_rule_export_to or None,
        "dns_refresh_ms": _ms(spec.dns_refresh_rate),
        "detection_ms": _ms(spec.protocol_detection_timeout),
        "keepalive": keepalive_of(spec.tcp_keepalive),
        "http2": None if spec.h2_upgrade_policy is None else spec.h2_upgrade_policy == "UPGRADE",
        # The mesh may set both, and then the zone-aware ones apply (Istio).
        "locality_lb": zone_aware_lb_of(spec.zone_aware_lb_setting) or locality_lb_of(spec.locality_lb_setting),
        "paths": None if paths is None else _PATHS[paths.normalization],
    }


def settings_findings(about: Ref, path: str, spec: TrafficSettings) -> Iterator[Finding]:
    """Refuse unknown modes, and invalid durations and numbers."""
    yield from _mode_findings(about, path, spec)
    if spec.proxy_http_port and spec.proxy_http_port not in PORTS:
        message = f"port {spec.proxy_http_port} is not in 0..65535 (0 disables the HTTP proxy)"
        yield Finding(about, "InvalidPort", message, f"{path}.proxyHttpPort")
    if spec.proxy_http_port in OWN_PORTS:
        message = f"port {spec.proxy_http_port} is reserved by sidecars with interception, which get no HTTP proxy"
        fix = "use 15080, or another port"
        yield Finding(about, "PortTaken", message, f"{path}.proxyHttpPort", Severity.WARNING, fix)
    yield from duration_findings(about, path, {"connectTimeout": spec.connect_timeout}, positive=True)
    yield from duration_findings(about, path, {"protocolDetectionTimeout": spec.protocol_detection_timeout})
    yield from _refresh_findings(about, f"{path}.dnsRefreshRate", spec.dns_refresh_rate)
    yield from retry_findings(about, f"{path}.defaultHttpRetryPolicy", spec.default_http_retry_policy)
    yield from keepalive_findings(about, f"{path}.tcpKeepalive", spec.tcp_keepalive)
    yield from locality_lb_findings(about, f"{path}.localityLbSetting", spec.locality_lb_setting)
    yield from zone_aware_lb_findings(about, f"{path}.zoneAwareLbSetting", spec.zone_aware_lb_setting)
    for field, export in (
        ("defaultServiceExportTo", spec.default_service_export_to),
        ("defaultVirtualServiceExportTo", spec.default_virtual_service_export_to),
        ("defaultDestinationRuleExportTo", spec.default_destination_rule_export_to),
    ):
        if len(set(export)) > 1 and {"*", _NONE} & set(export):
            message = "* (public) and ~ (none) exclude other entries"
            yield Finding(about, "InvalidExportTo", message, f"{path}.{field}")


def _refresh_findings(about: Ref, path: str, text: str | None) -> Iterator[Finding]:
    """Refuse an invalid duration, or one that Envoy rejects."""
    parent, _, field = path.rpartition(".")
    spec = tuple(duration_findings(about, parent, {field: text}, positive=True))
    yield from spec
    if text and not spec and milliseconds(text) <= _SHORTEST_REFRESH_MS:
        yield Finding(about, "InvalidDuration", f"the duration must be longer than {_SHORTEST_REFRESH_MS}ms", path)


def _mode_findings(about: Ref, path: str, spec: TrafficSettings) -> Iterator[Finding]:
    outbound, paths = spec.outbound_traffic_policy, spec.path_normalization
    if outbound is not None and outbound.mode not in _MODES:
        message = f"mode {outbound.mode} is not one of {', '.join(_MODES)}"
        yield Finding(about, "InvalidMode", message, f"{path}.outboundTrafficPolicy.mode")
    if spec.h2_upgrade_policy not in {None, *_UPGRADES}:
        message = f"{spec.h2_upgrade_policy} is not one of {', '.join(_UPGRADES)}"
        yield Finding(about, "InvalidUpgrade", message, f"{path}.h2UpgradePolicy")
    if paths is not None and paths.normalization not in _PATHS:
        message = f"{paths.normalization} is not one of {', '.join(_PATHS)}"
        yield Finding(about, "InvalidPathNormalization", message, f"{path}.pathNormalization.normalization")


def _ms(text: str | None) -> int | None:
    return None if text is None else milliseconds(text)
