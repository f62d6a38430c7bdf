"""MeshConfig: mesh-wide settings. Istio keeps it as YAML in a ConfigMap, `istio` in `istio-system`.

A field that is None is unset.
"""

from typing import Any

from msgspec import field

from mirrorplane.api.kinds.istio.destination_rule import LocalityLbSetting, TcpKeepalive, ZoneAwareLbSetting
from mirrorplane.api.kinds.istio.virtual_service import Retry
from mirrorplane.api.meta import EmbeddedYaml, Kind, Wire


class OutboundTrafficPolicy(Wire, frozen=True):
    """Requests to unknown hosts: REGISTRY_ONLY answers 502.

    ALLOW_ANY forwards them to their original destination. Without interception that is unknown, and they get 503.
    """

    mode: str = "ALLOW_ANY"


class PathNormalization(Wire, frozen=True):
    """How paths are normalised before routes are matched."""

    normalization: str = "DEFAULT"


class TrafficSettings(Wire, frozen=True):
    """The supported settings, with the names of Istio's MeshConfig."""

    root_namespace: str | None = None
    proxy_http_port: int | None = None
    connect_timeout: str | None = None
    outbound_traffic_policy: OutboundTrafficPolicy | None = None
    access_log_file: str | None = None
    default_http_retry_policy: Retry | None = None
    default_service_export_to: tuple[str, ...] = ()
    default_virtual_service_export_to: tuple[str, ...] = ()
    default_destination_rule_export_to: tuple[str, ...] = ()
    dns_refresh_rate: str | None = None
    protocol_detection_timeout: str | None = None
    tcp_keepalive: TcpKeepalive | None = None
    h2_upgrade_policy: str | None = None
    locality_lb_setting: LocalityLbSetting | None = None
    zone_aware_lb_setting: ZoneAwareLbSetting | None = None
    path_normalization: PathNormalization | None = None


class MeshConfig(TrafficSettings, frozen=True):
    """Istio's MeshConfig, with its fields that have no effect here: their content is not decoded."""

    access_log_format: Any = None
    access_log_encoding: Any = None
    ca: Any = None
    ca_certificates: Any = None
    certificates: Any = None
    config_sources: Any = None
    default_config: Any = None
    default_inbound_http_retry_policy: Any = None
    default_providers: Any = None
    default_traffic_policy: Any = None
    disable_envoy_listener_log: Any = None
    discovery_selectors: Any = None
    enable_auto_mtls: Any = None
    enable_envoy_access_log_service: Any = None
    enable_prometheus_merge: Any = None
    enable_tracing: Any = None
    extension_providers: Any = None
    hbone_idle_timeout: Any = None
    inbound_cluster_stat_name: Any = None
    inbound_traffic_policy: Any = None
    ingress_class: Any = None
    ingress_controller_mode: Any = None
    ingress_selector: Any = None
    ingress_service: Any = None
    mesh_mtls: Any = field(default=None, name="meshMTLS")
    outbound_cluster_stat_name: Any = None
    proxy_inbound_listen_port: Any = None
    proxy_listen_port: Any = None
    service_entry_visibility: Any = None
    service_settings: Any = None
    service_scope_configs: Any = None
    thrift_config: Any = None
    tls_defaults: Any = None
    trust_domain: Any = None
    trust_domain_aliases: Any = None
    verify_certificate_at_client: Any = None


CONFIG_MAP = Kind(
    group="",
    versions=("v1",),
    name="ConfigMap",
    spec=MeshConfig,
    embedded=EmbeddedYaml("istio-system", "istio", "data", "mesh"),
)
