"""References to other namespaces: a ReferenceGrant of the namespace that is referred to has to allow them."""

from mirrorplane.api.meta import Ref
from mirrorplane.api.view import View


def is_permitted(view: View, referrer: Ref, target: Ref) -> bool:
    """Tell whether an object may refer to another: in its own namespace always, else with a grant."""
    if referrer.namespace == target.namespace:
        return True
    grants = (grant for obj in view.by("grants", target.namespace) for grant in view.lowered(obj.ref).grants)
    return any(grant.permits(referrer, target) for grant in grants)
