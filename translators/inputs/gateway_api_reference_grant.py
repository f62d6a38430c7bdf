"""Gateway API's ReferenceGrant: asked by objects of other namespaces; alone it means nothing."""

from api.kinds.gateway_api.reference_grant import REFERENCE_GRANT
from api.mesh import Lowered
from api.meta import AnyObject
from api.view import View
from translators.contract import Input


def lower(_: View, __: AnyObject) -> Lowered:
    """Return nothing."""
    return Lowered()


def _namespace(obj: AnyObject) -> tuple[str, ...]:
    return (obj.ref.namespace,)


INPUT = Input(kinds=(REFERENCE_GRANT,), lower=lower, indexes={"grants": _namespace})
