"""Our own API group, mirrorplane.io: MeshConfig."""

from api.kinds.istio.virtual_service import Retry
from api.meta import Kind, Wire

GROUP = "mirrorplane.io"


class MirrorGuards(Wire, frozen=True):
    """What keeps mirrors from hurting production. 0 for a number means the default."""

    max_body_bytes: int = 0
    max_requests: int = 0
    deadline: str = ""
    connect_timeout: str = ""


class Mirroring(Wire, frozen=True):
    """Mirrors, mesh-wide. `shadowHostSuffix` false is what Istio >= 1.28 does: the copy keeps its Host."""

    shadow_host_suffix: bool = True
    guards: MirrorGuards = MirrorGuards()


class OutboundTrafficPolicy(Wire, frozen=True):
    """Requests to hosts nobody declared: REGISTRY_ONLY answers 502.

    ALLOW_ANY passes them on to where the client dialled; without interception nobody knows where, and they get 503.
    """

    mode: str = "ALLOW_ANY"


class MeshConfig(Wire, frozen=True):
    """Mesh-wide settings, named as Istio's MeshConfig names them where it has them. Only `default` is read."""

    root_namespace: str = "istio-system"
    proxy_http_port: int | None = None
    connect_timeout: str = "10s"
    outbound_traffic_policy: OutboundTrafficPolicy = OutboundTrafficPolicy()
    access_log_file: str = "/dev/stdout"
    default_http_retry_policy: Retry | None = None
    mirroring: Mirroring = Mirroring()


MESH_CONFIG = Kind(GROUP, ("v1alpha1",), "MeshConfig", MeshConfig, namespaced=False)
