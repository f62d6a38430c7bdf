"""Our GatewayParameters and AdoptedController: asked by GatewayClasses; alone they mean nothing."""

from api.kinds.mirrorplane import ADOPTED_CONTROLLER, GATEWAY_PARAMETERS
from api.mesh import Lowered
from api.meta import AnyObject
from api.view import View
from translators.contract import Input


def lower(_: View, __: AnyObject) -> Lowered:
    """Return nothing."""
    return Lowered()


def _adopted(obj: AnyObject) -> tuple[str, ...]:
    return ("*",) if obj.ref.kind == ADOPTED_CONTROLLER.key else ()


INPUT = Input(kinds=(GATEWAY_PARAMETERS, ADOPTED_CONTROLLER), lower=lower, indexes={"controllers": _adopted})
