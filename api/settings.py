"""What holds for the whole mesh, and which of it an object says."""

from enum import Enum
from typing import Any

import msgspec

from mirrorplane.api.actions import Retries
from mirrorplane.api.cluster_policy import Keepalive, LocalityLb
from mirrorplane.api.mirrors import Guards


class PathForm(Enum):
    """What is made of a request's path before it is compared; each does what the one before does, and more.

    BASE resolves dots (RFC 3986), MERGED joins slashes that follow each other, DECODED first reads escaped slashes.
    """

    AS_SAID = "as_said"
    BASE = "base"
    MERGED = "merged"
    DECODED = "decoded"


class MeshSettings(msgspec.Struct, frozen=True):
    """What holds for the whole mesh.

    `..._export_to` is what holds for services, rules and policies that do not say who may see them. `locality_lb` and
    `keepalive` hold where a policy says nothing; `http2`: hosts that say they take HTTP are called by HTTP/2 then.
    """

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


class SettingsOverlay(msgspec.Struct, frozen=True):
    """Settings that one object says: fields of MeshSettings with their values. All others it leaves to others."""

    fields: tuple[tuple[str, Any], ...] = ()


def settings_overlay(**fields: Any) -> SettingsOverlay:
    """Return what is said; a field that is None is not."""
    return SettingsOverlay(tuple((name, value) for name, value in fields.items() if value is not None))


def together(*said: SettingsOverlay | None) -> MeshSettings:
    """Return what several objects come to, field by field: the first that says a field is heard."""
    return MeshSettings(**{name: value for one in reversed(said) if one for name, value in one.fields})
