"""Settings of the whole mesh, and the part of them that one object sets."""

from enum import Enum
from typing import Any

import msgspec

from mirrorplane.api.actions import Retries
from mirrorplane.api.cluster_policy import Keepalive, LocalityLb
from mirrorplane.api.mirrors import Guards


class PathForm(Enum):
    """How a request's path is normalized before it is matched; each form includes the one before.

    BASE resolves dot segments (RFC 3986), MERGED merges adjacent slashes, DECODED first unescapes escaped slashes.
    """

    UNCHANGED = "unchanged"
    BASE = "base"
    MERGED = "merged"
    DECODED = "decoded"


class MeshSettings(msgspec.Struct, frozen=True):
    """Settings of the whole mesh.

    `..._export_to` are the defaults for services, rules and policies without exportTo. `locality_lb` and `keepalive`
    apply where a policy has no such settings; with `http2`, hosts that declare HTTP are then called by HTTP/2.
    `router_accounts` are service accounts of routers, `namespace/name`, whatever the gateways say.
    `local_endpoints` are the local addresses that endpoints may have (see api/local_addresses).
    """

    # Istio's defaults (pkg/config/mesh/mesh.go), but for a proxy port, which Istio has off (0), and an access log.
    # `guards` are our own, and `shadow_suffix` is Envoy's default, which Istio turns off.
    root_namespace: str = "istio-system"
    proxy_http_port: int = 15080
    connect_timeout_ms: int = 10_000
    allow_any: bool = True
    access_log: str = "/dev/stdout"
    retries: Retries = Retries()
    services_export_to: tuple[str, ...] = ("*",)
    rules_export_to: tuple[str, ...] = ("*",)
    policies_export_to: tuple[str, ...] = ("*",)
    dns_refresh_ms: int = 60_000
    detection_ms: int = 0
    keepalive: Keepalive | None = None
    http2: bool = False
    locality_lb: LocalityLb | None = None
    paths: PathForm = PathForm.BASE
    shadow_suffix: bool = True
    guards: Guards = Guards()
    router_accounts: tuple[str, ...] = ()
    local_endpoints: tuple[str, ...] = ()


class SettingsOverlay(msgspec.Struct, frozen=True):
    """The settings that one object sets: fields of MeshSettings with their values."""

    fields: tuple[tuple[str, Any], ...] = ()


def settings_overlay(**fields: Any) -> SettingsOverlay:
    """Return an overlay; fields that are None are not set."""
    return SettingsOverlay(tuple((name, value) for name, value in fields.items() if value is not None))


def merge_settings(*overlays: SettingsOverlay | None) -> MeshSettings:
    """Return the settings of several objects, field by field: the first that sets a field wins."""
    return MeshSettings(**{name: value for overlay in reversed(overlays) if overlay for name, value in overlay.fields})
