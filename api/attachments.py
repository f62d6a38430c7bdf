"""Effects that one object attaches to the routes of another.

For APIs in which a policy, and not the route, declares what is added to it: osm-edge's plugins, which are chained to
the routes of other objects, and a MirrorPolicy, whose target is a route. The route's own object does not change.
"""

import msgspec

from mirrorplane.api.meta import Ref
from mirrorplane.api.mirrors import Mirror


class AddMirrors(msgspec.Struct, frozen=True):
    """Requests that the route forwards are mirrored too, after the mirrors of the route itself."""

    mirrors: tuple[Mirror, ...]


class RouteAttachment(msgspec.Struct, frozen=True):
    """An effect on the routes of `target`: on those named `section`, or on all of them where it is "".

    An input that lowers to attachments files its objects in the index `route.attachments`, under the Ref of each target
    and under `EVERY`.
    """

    target: Ref
    section: str
    effect: AddMirrors


EVERY = "*"
"""The key of the index `route.attachments` for all objects that attach anything."""
