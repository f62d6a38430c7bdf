"""GatewayClass: which controller serves the Gateways that refer to it."""

from typing import Annotated

from msgspec import Meta

from mirrorplane.api.kinds.gateway_api import GROUP, VERSIONS
from mirrorplane.api.kinds.gateway_api.references import DomainPath, Group, KindName, Namespace, ObjectName
from mirrorplane.api.meta import Kind, Wire

CONTROLLER = "mirrorplane.io/gateway-controller"
"""The controllerName of classes that are served here."""


class ParametersReference(Wire, frozen=True):
    """An object of any kind with further settings."""

    group: Group
    kind: KindName
    name: ObjectName
    namespace: Namespace = ""


class GatewayClass(Wire, frozen=True):
    """A class of Gateways; `parametersRef` may refer to our GatewayParameters."""

    controller_name: Annotated[str, Meta(min_length=1, max_length=253, pattern=rf"^{DomainPath}\Z")]
    parameters_ref: ParametersReference | None = None
    description: Annotated[str, Meta(max_length=64)] = ""


GATEWAY_CLASS = Kind(GROUP, VERSIONS, "GatewayClass", GatewayClass, namespaced=False)
