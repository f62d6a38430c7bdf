"""What every source yields: owns the nouns between the sources and the plane, so that neither knows the other."""

from collections.abc import Mapping

import msgspec

from mirrorplane.api.finding import Finding
from mirrorplane.api.meta import AnyObject, Ref


class Change(msgspec.Struct, frozen=True, gc=False):
    """The object of a Ref from now on; None when it was removed."""

    ref: Ref
    obj: AnyObject | None


class Batch(msgspec.Struct, frozen=True):
    """What a source saw since its last batch: at most one Change for each Ref, sorted by Ref.

    `findings` are by origin: the source's name for a place that it reads (a file; a kind on an API server). They
    replace all earlier findings of that origin, so an empty tuple clears them; other origins are unchanged.

    `synced` is False while objects that existed at the start are still to come. Proxies are served from the first
    synced batch on: before that, they would drop whatever is missing. It travels with the changes, because a flag on
    the source could be read before they are applied.
    """

    changes: tuple[Change, ...] = ()
    findings: Mapping[str, tuple[Finding, ...]] = {}
    synced: bool = True

    def __bool__(self) -> bool:
        """Whether it changes anything."""
        return bool(self.changes or self.findings)
