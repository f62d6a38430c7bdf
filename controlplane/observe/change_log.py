"""A log line for each object that changed: the first thing to read when looking for the cause of a change."""

import logging
from collections.abc import Mapping, Sequence

from mirrorplane.api.meta import AnyObject, Ref
from mirrorplane.controlplane.observe.logs import fields
from mirrorplane.controlplane.sources.changes import Change
from mirrorplane.controlplane.sources.source import Locate

log = logging.getLogger(__name__)
MOST_LINES = 50
"""How many objects of one batch are logged one by one: a folder that is copied in has thousands."""


def log_changes(changes: Sequence[Change], before: Mapping[Ref, AnyObject], locate: Locate) -> None:
    """Log each change to the objects that were there before. `locate` knows where the new ones are."""
    for change in changes[:MOST_LINES]:
        _log(change, "deleted" if change.obj is None else "changed" if change.ref in before else "added", locate)
    if len(changes) > MOST_LINES:
        log.info("and %d more objects", len(changes) - MOST_LINES)


def _log(change: Change, op: str, locate: Locate) -> None:
    ref = change.ref
    location = locate(ref, "") if change.obj is not None else None
    kind = ref.kind.rpartition("/")[2]
    place = f" ({location})" if location else ""
    log.info(
        "%s %s %s%s",
        op,
        kind,
        f"{ref.namespace}/{ref.name}" if ref.namespace else ref.name,
        place,
        extra=fields(
            op=op,
            kind=kind,
            namespace=ref.namespace,
            name=ref.name,
            file=location and location.file,
            line=location and location.line,
        ),
    )
