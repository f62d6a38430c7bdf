"""Gateway API's GatewayClass: read for its controller, which Gateways ask for; alone it means nothing."""

from api.kinds.gateway_api.gateway_class import GATEWAY_CLASS, GatewayClass
from api.mesh import Lowered
from api.meta import Object
from api.view import View
from translators.contract import Input
from translators.gateway_api.classes import class_findings


def lower(view: View, obj: Object[GatewayClass]) -> Lowered:
    """Return only what is wrong with it."""
    return Lowered(findings=tuple(class_findings(view, obj)))


INPUT = Input(kinds=(GATEWAY_CLASS,), lower=lower)
