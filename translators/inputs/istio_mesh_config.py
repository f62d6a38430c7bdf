"""Istio's MeshConfig (ConfigMap istio-system/istio) -> SettingsOverlay, with a warning for each ignored field."""

from collections.abc import Iterator
from typing import Any

from msgspec.structs import fields

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.kinds.istio import mesh_config as istio
from mirrorplane.api.mesh import Lowered
from mirrorplane.api.meta import Object
from mirrorplane.api.settings import settings_overlay
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Input
from mirrorplane.translators.istio.mesh import LOGS, settings_findings, settings_of

_PATH = "data.mesh"
_LOGGED = "access logs have a fixed JSON format, so that a request cannot forge a line"
_IDENTITY = "Mirrorplane issues no workload certificates"
_PORTS = "interception uses the ports 15001 and 15006"
_INGRESS = "Ingress is not supported"
_TELEMETRY = "telemetry is not configurable"
_REASONS = {
    "access_log_format": _LOGGED,
    "access_log_encoding": _LOGGED,
    "ca": _IDENTITY,
    "ca_certificates": _IDENTITY,
    "certificates": _IDENTITY,
    "config_sources": "sources are command line options",
    "default_config": "proxies are configured by their bootstrap (mirrorplane bootstrap)",
    "default_inbound_http_retry_policy": "requests to the workload are not retried",
    "default_providers": _TELEMETRY,
    "default_traffic_policy": "clusters get limits and outlier detection from DestinationRules only",
    "disable_envoy_listener_log": "listeners have no access log",
    "discovery_selectors": "all manifests are read",
    "enable_auto_mtls": _IDENTITY,
    "enable_envoy_access_log_service": _TELEMETRY,
    "enable_prometheus_merge": _TELEMETRY,
    "enable_tracing": _TELEMETRY,
    "extension_providers": _TELEMETRY,
    "hbone_idle_timeout": "ambient mode is not supported",
    "inbound_cluster_stat_name": "statistics have Istio's default names",
    "inbound_traffic_policy": "inbound connections go to their original destination",
    "ingress_class": _INGRESS,
    "ingress_controller_mode": _INGRESS,
    "ingress_selector": _INGRESS,
    "ingress_service": _INGRESS,
    "mesh_mtls": _IDENTITY,
    "outbound_cluster_stat_name": "statistics have Istio's default names",
    "proxy_inbound_listen_port": _PORTS,
    "proxy_listen_port": _PORTS,
    "service_entry_visibility": "exportTo decides who sees a ServiceEntry",
    "service_settings": "multiple clusters are not supported",
    "service_scope_configs": "ambient mode is not supported",
    "thrift_config": "Thrift is served as TCP",
    "tls_defaults": "TLS is 1.2 or 1.3 with Envoy's default cipher suites",
    "trust_domain": "the trust domain is a command line option (--trust-domain)",
    "trust_domain_aliases": "the trust domain is a command line option (--trust-domain)",
    "verify_certificate_at_client": "certificates are verified unless a DestinationRule disables it",
}
"""Fields without effect, and why."""
_DEFAULTS = {"access_log_encoding": "JSON", "verify_certificate_at_client": True}
"""Values that describe the actual behaviour. Of the other fields, empty and false values do."""


def lower(_: View, obj: Object[istio.MeshConfig]) -> Lowered:
    """Return the settings that are set."""
    return Lowered(settings=settings_overlay(**settings_of(obj.spec)))


def validate(obj: Object[istio.MeshConfig]) -> Iterator[Finding]:
    """Refuse invalid settings, and warn of each field that is set without effect."""
    yield from settings_findings(obj.ref, _PATH, obj.spec)
    if obj.spec.access_log_file not in {None, *LOGS}:
        files = ", ".join(filter(None, LOGS))
        message = (
            f"accessLogFile {obj.spec.access_log_file!r} is ignored: a proxy that cannot open it rejects all listeners"
        )
        yield _left_out(obj, "accessLogFile", message, f"use one of {files}, or leave it empty")
    names = {field.name: field.encode_name for field in fields(istio.MeshConfig)}
    for field, reason in _REASONS.items():
        value = getattr(obj.spec, field)
        if value is not None and not _is_default(field, value):
            yield _left_out(obj, names[field], f"{names[field]} has no effect: {reason}")


def _is_default(field: str, value: Any) -> bool:
    return bool(value == _DEFAULTS[field]) if field in _DEFAULTS else not value


def _left_out(obj: Object[istio.MeshConfig], field: str, message: str, fix: str = "") -> Finding:
    return Finding(obj.ref, "SettingLeftOut", message, f"{_PATH}.{field}", Severity.WARNING, fix)


INPUT = Input(kinds=(istio.CONFIG_MAP,), lower=lower, validate=validate)
