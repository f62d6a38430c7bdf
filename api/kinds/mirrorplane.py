"""Our own API group, mirrorplane.io: MeshConfig, and what Gateway API leaves to implementations."""

from typing import Annotated, Literal, get_args

from msgspec import Meta

from mirrorplane.api.kinds.istio.mesh_config import TrafficSettings
from mirrorplane.api.meta import Kind, Wire

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


class MeshConfig(TrafficSettings, frozen=True):
    """Mesh-wide settings, named as Istio's MeshConfig names them where it has them. Only `default` is read.

    What it says goes before what Istio's own says, field by field.
    """

    mirroring: Mirroring = Mirroring()


MESH_CONFIG = Kind(GROUP, ("v1alpha1",), "MeshConfig", MeshConfig, namespaced=False)


class CopiesAtGateways(Wire, frozen=True):
    """Mirrors of routes of a class. `shadowHostSuffix`: the copy's host gets Envoy's `-shadow`, as in kgateway."""

    shadow_host_suffix: bool = False


class GatewayParameters(Wire, frozen=True):
    """What a GatewayClass may say through its parametersRef."""

    mirroring: CopiesAtGateways = CopiesAtGateways()


GATEWAY_PARAMETERS = Kind(GROUP, ("v1alpha1",), "GatewayParameters", GatewayParameters, namespaced=False)


Profile = Literal["mirrorplane", "fsm", "kgateway"]
PROFILES: tuple[Profile, ...] = get_args(Profile)


class AdoptedController(Wire, frozen=True):
    """A controller whose GatewayClasses are served here, and which product is stood in for.

    `classNames` are of its classes too, whether a GatewayClass of that name is there or not.
    """

    controller_name: Annotated[str, Meta(min_length=1, max_length=253)]
    profile: Profile = "mirrorplane"
    class_names: tuple[str, ...] = ()


ADOPTED_CONTROLLER = Kind(GROUP, ("v1alpha1",), "AdoptedController", AdoptedController, namespaced=False)
