"""Our own API group, mirrorplane.io: MeshConfig, and parameters of GatewayClasses."""

from typing import Annotated, Literal, get_args

from msgspec import Meta

from mirrorplane.api.kinds.istio.mesh_config import TrafficSettings
from mirrorplane.api.meta import Kind, Wire

GROUP = "mirrorplane.io"


class MirrorGuards(Wire, frozen=True):
    """Limits that protect the original requests from mirrors. A number of 0 is the default."""

    max_body_bytes: int = 0
    max_requests: int = 0
    deadline: str = ""
    connect_timeout: str = ""


class Mirroring(Wire, frozen=True):
    """Mesh-wide mirror settings. With `shadowHostSuffix` false, as in Istio >= 1.28, the copy keeps its Host."""

    shadow_host_suffix: bool = True
    guards: MirrorGuards = MirrorGuards()


class MeshConfig(TrafficSettings, frozen=True):
    """Mesh-wide settings, with the names of Istio's MeshConfig. Only the object named `default` is used.

    Each field that it sets wins over the same field of Istio's MeshConfig. `routerServiceAccounts` (`namespace/name`)
    are sent the Secrets of every Gateway that they serve. `localEndpoints` are ranges of loopback and link-local
    addresses, names and sockets that endpoints may have.
    """

    mirroring: Mirroring = Mirroring()
    router_service_accounts: tuple[str, ...] = ()
    local_endpoints: tuple[str, ...] = ()


MESH_CONFIG = Kind(GROUP, ("v1alpha1",), "MeshConfig", MeshConfig, namespaced=False)


class GatewayMirroring(Wire, frozen=True):
    """Mirror settings of a class's routes. `shadowHostSuffix` appends `-shadow` to the copy's Host, as in kgateway."""

    shadow_host_suffix: bool = False


class GatewayParameters(Wire, frozen=True):
    """The settings of a GatewayClass, by its parametersRef.

    `serviceAccounts` are further ones of the class's routers, each in the namespace of its Gateway: only such routers
    are sent Secrets.
    """

    mirroring: GatewayMirroring = GatewayMirroring()
    service_accounts: tuple[str, ...] = ()


GATEWAY_PARAMETERS = Kind(GROUP, ("v1alpha1",), "GatewayParameters", GatewayParameters, namespaced=False)


Profile = Literal["mirrorplane", "fsm", "kgateway"]
PROFILES: tuple[Profile, ...] = get_args(Profile)


class AdoptedController(Wire, frozen=True):
    """Another controller whose GatewayClasses Mirrorplane serves, and the product that it imitates.

    `classNames` belong to it even if no GatewayClass with that name exists.
    """

    controller_name: Annotated[str, Meta(min_length=1, max_length=253)]
    profile: Profile = "mirrorplane"
    class_names: tuple[str, ...] = ()


ADOPTED_CONTROLLER = Kind(GROUP, ("v1alpha1",), "AdoptedController", AdoptedController, namespaced=False)
