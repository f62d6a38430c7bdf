"""How many routes are attached to each listener: counted in parts, so that one more route is one part again."""

from collections import Counter
from collections.abc import Mapping

from mirrorplane.api.meta import Ref
from mirrorplane.api.view import View
from mirrorplane.translators.gateway_api.attachment.attachments import attached
from mirrorplane.translators.gateway_api.conditions import is_lost
from mirrorplane.translators.gateway_api.names import called
from mirrorplane.translators.partitions import every_partition


def counted(view: View, owner: Ref) -> Mapping[str, int]:
    """Return how many routes are attached to each listener that a Gateway or ListenerSet writes down, by its name."""
    found: Counter[str] = Counter()
    for partition in every_partition():
        found.update(view.memo(_counted, owner, partition.index))
    return found


def _counted(view: View, owner: Ref, part: int) -> Mapping[str, int]:
    routes = view.by("gateway.attached", f"{called(owner)}|{part}")
    return Counter(name for obj in routes for of, name in view.memo(_names, obj.ref) if of == owner)


def _names(view: View, ref: Ref) -> tuple[tuple[Ref, str], ...]:
    """Return the listeners at which a route counts. Gateway API: those count that are accepted."""
    obj = view.get(ref)
    if obj is None or is_lost(view.lowered(ref).findings, len(obj.spec.rules)):
        return ()
    return tuple((one.listener.owner, one.listener.said.name) for one in attached(view, obj))
