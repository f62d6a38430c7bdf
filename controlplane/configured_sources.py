"""The sources of a process as its command line configures them, in order of precedence.

Used by `serve` and by the commands that serve nothing (`check`, `render`). The sources themselves know no catalogue.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from mirrorplane.api.finding import Finding
from mirrorplane.api.meta import AnyObject
from mirrorplane.controlplane.engine.catalogue import Catalogue
from mirrorplane.controlplane.manifests.decode import registry_of
from mirrorplane.controlplane.sources.files.source import FileSource
from mirrorplane.controlplane.sources.internal import InternalSource

COMMAND_LINE = "the command line"
"""The name of the source of objects that flags make."""


def flag_source(objects: Iterable[AnyObject]) -> InternalSource:
    """Return the source of objects that flags make. It comes first: what a flag says overrides files."""
    return InternalSource(COMMAND_LINE, objects)


def file_source(paths: Sequence[Path], catalogue: Catalogue) -> FileSource:
    """Return a source that reads every kind of the catalogue and rejects what the Input of a kind rejects."""
    by_kind = catalogue.by_kind  # built anew at every access, and `accept` runs for each object

    def accept(obj: AnyObject) -> Iterable[Finding]:
        return by_kind[obj.ref.kind].validate(obj)

    return FileSource(paths, registry_of(catalogue.kinds), accept)
