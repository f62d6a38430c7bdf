"""Our GatewayParameters and AdoptedController: read by GatewayClasses; by themselves they configure nothing."""

from mirrorplane.api.kinds.mirrorplane import ADOPTED_CONTROLLER, GATEWAY_PARAMETERS
from mirrorplane.api.mesh import Lowered
from mirrorplane.api.meta import AnyObject
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Input


def lower(_: View, __: AnyObject) -> Lowered:
    """Return nothing."""
    return Lowered()


def _adopted(obj: AnyObject) -> tuple[str, ...]:
    return ("*",) if obj.ref.kind == ADOPTED_CONTROLLER.key else ()


INPUT = Input(kinds=(GATEWAY_PARAMETERS, ADOPTED_CONTROLLER), lower=lower, indexes={"controllers": _adopted})
