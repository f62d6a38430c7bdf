"""Istio's MeshConfig (ConfigMap istio-system/istio) -> what it says for the mesh; the rest it says is told."""

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
_LOGGED = "access logs are JSON objects of one form, so that no request can forge a line"
_IDENTITY = "workload certificates are not issued here"
_PORTS = "with interception the ports are 15001 and 15006"
_INGRESS = "Ingress is not read here"
_TELEMETRY = "telemetry is not configured here"
_WHY = {
    "access_log_format": _LOGGED,
    "access_log_encoding": _LOGGED,
    "ca": _IDENTITY,
    "ca_certificates": _IDENTITY,
    "certificates": _IDENTITY,
    "config_sources": "sources are given on the command line",
    "default_config": "proxies are configured where they start (mirrorplane bootstrap)",
    "default_providers": _TELEMETRY,
    "disable_envoy_listener_log": "listeners have no access log of their own here",
    "discovery_selectors": "everything in the folder is read",
    "enable_auto_mtls": _IDENTITY,
    "enable_envoy_access_log_service": _TELEMETRY,
    "enable_prometheus_merge": _TELEMETRY,
    "enable_tracing": _TELEMETRY,
    "extension_providers": _TELEMETRY,
    "hbone_idle_timeout": "there is no ambient mode here",
    "inbound_cluster_stat_name": "statistics have Istio's default names",
    "inbound_traffic_policy": "what comes in goes to the address that was dialled",
    "ingress_class": _INGRESS,
    "ingress_controller_mode": _INGRESS,
    "ingress_selector": _INGRESS,
    "ingress_service": _INGRESS,
    "mesh_mtls": _IDENTITY,
    "outbound_cluster_stat_name": "statistics have Istio's default names",
    "proxy_inbound_listen_port": _PORTS,
    "proxy_listen_port": _PORTS,
    "service_settings": "there is one cluster here",
    "service_scope_configs": "there is no ambient mode here",
    "thrift_config": "Thrift is served as TCP",
    "tls_defaults": "TLS is 1.2 or 1.3 with Envoy's own ciphers",
    "trust_domain": "who may connect is said on the command line (--trust-domain)",
    "trust_domain_aliases": "who may connect is said on the command line (--trust-domain)",
    "verify_certificate_at_client": "certificates are verified wherever a DestinationRule does not say otherwise",
}
"""Fields that change nothing, and why."""
_AS_DONE = {"access_log_encoding": "JSON", "verify_certificate_at_client": True}
"""Values that ask for what is done anyway; of other fields, those that are empty or false do."""


def lower(_: View, obj: Object[istio.MeshConfig]) -> Lowered:
    """Return the settings; what is not set is left to others."""
    return Lowered(settings=settings_overlay(**settings_of(obj.spec)))


def validate(obj: Object[istio.MeshConfig]) -> Iterator[Finding]:
    """Refuse what makes no sense, and warn of each field that is set and changes nothing."""
    yield from settings_findings(obj.ref, _PATH, obj.spec)
    if obj.spec.access_log_file not in {None, *LOGS}:
        files = ", ".join(filter(None, LOGS))
        message = f"a proxy that cannot open {obj.spec.access_log_file!r} would have no listeners: it changes nothing"
        yield _left_out(obj, "accessLogFile", message, f"write one of {files}, or nothing")
    names = {field.name: field.encode_name for field in fields(istio.MeshConfig)}
    for field, why in _WHY.items():
        value = getattr(obj.spec, field)
        if value is not None and not _asks_for_nothing(field, value):
            yield _left_out(obj, names[field], f"{names[field]} changes nothing: {why}")


def _asks_for_nothing(field: str, value: Any) -> bool:
    return bool(value == _AS_DONE[field]) if field in _AS_DONE else not value


def _left_out(obj: Object[istio.MeshConfig], field: str, message: str, fix: str = "") -> Finding:
    return Finding(obj.ref, "SettingLeftOut", message, f"{_PATH}.{field}", Severity.WARNING, fix)


INPUT = Input(kinds=(istio.CONFIG_MAP,), lower=lower, validate=validate)
