"""A problem of an object, for its author: findings are returned, never raised, never changed in place."""

from enum import Enum

import msgspec

from mirrorplane.api.meta import Ref


class Severity(Enum):
    """ERROR: (part of) the object is not served as written. WARNING: it is, but may not do what its author expects."""

    ERROR = "error"
    WARNING = "warning"


class Finding(msgspec.Struct, frozen=True):
    """One sentence about an object: what is wrong, and its effect.

    `path` is the field, as kubectl spells it (`spec.http[0].mirror.host`); `fix` is what to change.
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
