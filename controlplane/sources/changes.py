"""What every source yields: owns the nouns between the sources and the plane, so that neither knows the other."""

from collections.abc import Mapping

import msgspec

from mirrorplane.api.finding import Finding
from mirrorplane.api.meta import AnyObject, Ref


class Change(msgspec.Struct, frozen=True, gc=False):
    """The object of a Ref as it is from now on; None when it is gone."""

    ref: Ref
    obj: AnyObject | None


class Batch(msgspec.Struct, frozen=True):
    """What a source saw since its last batch: at most one Change for each Ref, in the order of the Refs.

    `findings` are by origin, whatever the source calls the places it reads (a file; a kind on an API server). They
    replace all earlier findings of that origin, so an empty tuple takes them back; other origins stand as they were.
    """

    changes: tuple[Change, ...] = ()
    findings: Mapping[str, tuple[Finding, ...]] = {}

    def __bool__(self) -> bool:
        """Whether there is any news in it."""
        return bool(self.changes or self.findings)
