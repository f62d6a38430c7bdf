"""References to other namespaces: the namespace that is referred to must grant them."""

from api.kinds.gateway_api import reference_grant as gw
from api.meta import Object, Ref
from api.view import View


def permitted(view: View, about: Ref, to: Ref) -> bool:
    """Tell whether an object may name another: it is in its own namespace, or a ReferenceGrant there says so."""
    if about.namespace == to.namespace:
        return True
    return any(_grants(obj, about, to) for obj in view.by("grants", to.namespace))


def _grants(obj: Object[gw.ReferenceGrant], about: Ref, to: Ref) -> bool:
    group, _, kind = about.kind.rpartition("/")
    asks = gw.ReferenceGrantFrom(group, kind, about.namespace)
    group, _, kind = to.kind.rpartition("/")
    wanted = {gw.ReferenceGrantTo(group, kind), gw.ReferenceGrantTo(group, kind, to.name)}
    return asks in obj.spec.from_ and any(one in wanted for one in obj.spec.to)
