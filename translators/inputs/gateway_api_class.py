"""Gateway API's GatewayClass: read by its Gateways for the controller; by itself it configures nothing."""

from mirrorplane.api.kinds.gateway_api.gateway_class import GATEWAY_CLASS, GatewayClass
from mirrorplane.api.mesh import Lowered
from mirrorplane.api.meta import Object
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Input
from mirrorplane.translators.gateway_api.gateway.classes import class_findings


def lower(view: View, obj: Object[GatewayClass]) -> Lowered:
    """Return only findings about it."""
    return Lowered(findings=tuple(class_findings(view, obj)))


INPUT = Input(kinds=(GATEWAY_CLASS,), lower=lower)
