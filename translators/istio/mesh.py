"""MeshConfig's settings, which our own kind and Istio's share -> what is said for the mesh."""

from collections.abc import Iterator
from typing import Any

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.kinds.istio.mesh_config import TrafficSettings
from mirrorplane.api.meta import Ref
from mirrorplane.api.proxy import OWN_PORTS
from mirrorplane.api.settings import PathForm
from mirrorplane.api.units import PORTS, milliseconds
from mirrorplane.translators.istio.connection_pool import keepalive_findings, keepalive_of
from mirrorplane.translators.istio.durations import duration_findings
from mirrorplane.translators.istio.locality_lb import nearness_findings, nearness_of
from mirrorplane.translators.istio.retries import retries_of, retry_findings

LOGS = ("", "/dev/stdout", "/dev/stderr", "/dev/null")
"""Files every Envoy can open: one that it cannot would make it reject every listener."""
_MODES = ("ALLOW_ANY", "REGISTRY_ONLY")
_UPGRADES = ("UPGRADE", "DO_NOT_UPGRADE")
_PATHS = {
    "DEFAULT": PathForm.BASE,
    "NONE": PathForm.AS_SAID,
    "BASE": PathForm.BASE,
    "MERGE_SLASHES": PathForm.MERGED,
    "DECODE_AND_MERGE_SLASHES": PathForm.DECODED,
}
_NOWHERE = "~"
_SHORTEST_REFRESH_MS = 1
"""Envoy refuses to ask DNS so often."""


def settings_of(said: TrafficSettings) -> dict[str, Any]:
    """Return the settings by field of MeshSettings; what is None is not said."""
    outbound, paths = said.outbound_traffic_policy, said.path_normalization
    return {
        "root_namespace": said.root_namespace,
        "proxy_http_port": said.proxy_http_port,
        "connect_timeout_ms": _ms(said.connect_timeout),
        "allow_any": None if outbound is None else outbound.mode == "ALLOW_ANY",
        "access_log": said.access_log_file if said.access_log_file in LOGS else None,
        "retries": retries_of(said.default_http_retry_policy),
        "services_export_to": said.default_service_export_to or None,
        "rules_export_to": said.default_virtual_service_export_to or None,
        "policies_export_to": said.default_destination_rule_export_to or None,
        "dns_refresh_ms": _ms(said.dns_refresh_rate),
        "detection_ms": _ms(said.protocol_detection_timeout),
        "keepalive": keepalive_of(said.tcp_keepalive),
        "http2": None if said.h2_upgrade_policy is None else said.h2_upgrade_policy == "UPGRADE",
        "locality_lb": nearness_of(said.locality_lb_setting),
        "paths": None if paths is None else _PATHS[paths.normalization],
    }


def settings_findings(about: Ref, path: str, said: TrafficSettings) -> Iterator[Finding]:
    """Refuse unknown words, durations and numbers that make no sense."""
    yield from _word_findings(about, path, said)
    if said.proxy_http_port and said.proxy_http_port not in PORTS:
        message = "the port is not in 0..65535 (0: no HTTP proxy)"
        yield Finding(about, "InvalidPort", message, f"{path}.proxyHttpPort")
    if said.proxy_http_port in OWN_PORTS:
        message = f"sidecars with interception use port {said.proxy_http_port} themselves: they get no HTTP proxy"
        fix = "use 15080, or another port"
        yield Finding(about, "PortTaken", message, f"{path}.proxyHttpPort", Severity.WARNING, fix)
    yield from duration_findings(about, path, {"connectTimeout": said.connect_timeout}, positive=True)
    yield from duration_findings(about, path, {"protocolDetectionTimeout": said.protocol_detection_timeout})
    yield from _refresh_findings(about, f"{path}.dnsRefreshRate", said.dns_refresh_rate)
    yield from retry_findings(about, f"{path}.defaultHttpRetryPolicy", said.default_http_retry_policy)
    yield from keepalive_findings(about, f"{path}.tcpKeepalive", said.tcp_keepalive)
    yield from nearness_findings(about, f"{path}.localityLbSetting", said.locality_lb_setting)
    for field, export in (
        ("defaultServiceExportTo", said.default_service_export_to),
        ("defaultVirtualServiceExportTo", said.default_virtual_service_export_to),
        ("defaultDestinationRuleExportTo", said.default_destination_rule_export_to),
    ):
        if len(set(export)) > 1 and {"*", _NOWHERE} & set(export):
            message = "* (everyone) and ~ (no one) stand alone"
            yield Finding(about, "InvalidExportTo", message, f"{path}.{field}")


def _refresh_findings(about: Ref, path: str, text: str | None) -> Iterator[Finding]:
    """Refuse what is no duration, or one that Envoy does not take."""
    before, _, field = path.rpartition(".")
    said = tuple(duration_findings(about, before, {field: text}, positive=True))
    yield from said
    if text and not said and milliseconds(text) <= _SHORTEST_REFRESH_MS:
        yield Finding(about, "InvalidDuration", f"the duration must be longer than {_SHORTEST_REFRESH_MS}ms", path)


def _word_findings(about: Ref, path: str, said: TrafficSettings) -> Iterator[Finding]:
    outbound, paths = said.outbound_traffic_policy, said.path_normalization
    if outbound is not None and outbound.mode not in _MODES:
        message = f"mode {outbound.mode} is none of {', '.join(_MODES)}"
        yield Finding(about, "InvalidMode", message, f"{path}.outboundTrafficPolicy.mode")
    if said.h2_upgrade_policy not in {None, *_UPGRADES}:
        message = f"{said.h2_upgrade_policy} is none of {', '.join(_UPGRADES)}"
        yield Finding(about, "InvalidUpgrade", message, f"{path}.h2UpgradePolicy")
    if paths is not None and paths.normalization not in _PATHS:
        message = f"{paths.normalization} is none of {', '.join(_PATHS)}"
        yield Finding(about, "InvalidPathNormalization", message, f"{path}.pathNormalization.normalization")


def _ms(text: str | None) -> int | None:
    return None if text is None else milliseconds(text)
