"""Gateway API's ReferenceGrant -> Grant."""

from mirrorplane.api.grants import Grant
from mirrorplane.api.kinds.gateway_api import reference_grant as gw
from mirrorplane.api.mesh import Lowered
from mirrorplane.api.meta import Object
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Input


def lower(_: View, obj: Object[gw.ReferenceGrant]) -> Lowered:
    """Return the grant."""
    referrers = frozenset((_key(source.group, source.kind), source.namespace) for source in obj.spec.from_)
    targets = frozenset((_key(target.group, target.kind), target.name) for target in obj.spec.to)
    return Lowered(grants=(Grant(obj.ref.namespace, referrers, targets),))


def _key(group: str, kind: str) -> str:
    return f"{group}/{kind}" if group else kind


def _namespace(obj: Object[gw.ReferenceGrant]) -> tuple[str, ...]:
    return (obj.ref.namespace,)


INPUT = Input(kinds=(gw.REFERENCE_GRANT,), lower=lower, indexes={"grants": _namespace})
