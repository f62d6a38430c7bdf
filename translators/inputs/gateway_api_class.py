"""Gateway API's GatewayClass: read for its controller, which Gateways ask for; alone it means nothing."""

from api.kinds.gateway_api.gateway_class import GATEWAY_CLASS
from api.mesh import Lowered
from api.meta import AnyObject
from api.view import View
from translators.contract import Input


def lower(_: View, __: AnyObject) -> Lowered:
    """Return nothing."""
    return Lowered()


INPUT = Input(kinds=(GATEWAY_CLASS,), lower=lower)
