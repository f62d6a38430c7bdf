"""Filters of other APIs that rules name (ExtensionRef). The one place that knows which there are."""

import msgspec

from api.kinds.gateway_api.references import LocalObjectReference
from api.meta import Ref
from api.view import View


class Extension(msgspec.Struct, frozen=True):
    """What a filter of another API comes to: why it cannot be resolved, as Gateway API's reason and a sentence.

    Gateway API: such a filter must not be skipped, so that requests are answered with an error.
    """

    reason: str = ""
    problem: str = ""


def extension(_: View, __: Ref, said: LocalObjectReference) -> Extension:
    """Return what an object that a rule of another one names comes to there."""
    what = f"{said.kind} of {said.group or 'the core group'}"
    return Extension("InvalidKind", f"a {what} is no filter that is known here")
