"""What we have to say about an object: returned, never raised, never written in place."""

from enum import Enum

import msgspec

from mirrorplane.api.meta import Ref


class Severity(Enum):
    """ERROR: (part of) the object does not do what it says. WARNING: it does, but look at it."""

    ERROR = "error"
    WARNING = "warning"


class Finding(msgspec.Struct, frozen=True):
    """One sentence for the author of an object.

    `path` is the field, as kubectl spells it (`spec.http[0].mirror.host`); `fix` says what to do about it.
    `file` and `line` (1-based) are set by sources that know them.
    """

    about: Ref
    reason: str
    message: str
    path: str = ""
    severity: Severity = Severity.ERROR
    fix: str = ""
    file: str = ""
    line: int = 0
