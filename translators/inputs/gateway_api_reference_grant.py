"""Gateway API's ReferenceGrant -> Grant."""

from api.grants import Grant
from api.kinds.gateway_api import reference_grant as gw
from api.mesh import Lowered
from api.meta import Object
from api.view import View
from translators.contract import Input


def lower(_: View, obj: Object[gw.ReferenceGrant]) -> Lowered:
    """Return the grant."""
    askers = frozenset((_key(one.group, one.kind), one.namespace) for one in obj.spec.from_)
    named = frozenset((_key(one.group, one.kind), one.name) for one in obj.spec.to)
    return Lowered(grants=(Grant(obj.ref.namespace, askers, named),))


def _key(group: str, kind: str) -> str:
    return f"{group}/{kind}" if group else kind


def _namespace(obj: Object[gw.ReferenceGrant]) -> tuple[str, ...]:
    return (obj.ref.namespace,)


INPUT = Input(kinds=(gw.REFERENCE_GRANT,), lower=lower, indexes={"grants": _namespace})
