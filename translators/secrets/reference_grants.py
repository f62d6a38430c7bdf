"""References to other namespaces: the namespace that is referred to must grant them."""

from mirrorplane.api.meta import Ref
from mirrorplane.api.view import View


def is_permitted(view: View, asker: Ref, to: Ref) -> bool:
    """Tell whether an object may name another: it is in its own namespace, or that one's grants say so."""
    if asker.namespace == to.namespace:
        return True
    grants = (grant for obj in view.by("grants", to.namespace) for grant in view.lowered(obj.ref).grants)
    return any(grant.permits(asker, to) for grant in grants)
