"""The sources of a process as its command line configures them, in order of precedence.

Used by `serve` and by the commands that serve nothing (`check`, `render`). The sources themselves know no catalogue.
"""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from mirrorplane.api.finding import Finding
from mirrorplane.api.meta import AnyObject
from mirrorplane.controlplane.engine.catalogue import Catalogue
from mirrorplane.controlplane.manifests.decode import registry_of
from mirrorplane.controlplane.manifests.documents import MAX_BYTES
from mirrorplane.controlplane.sources.files.source import FileSource
from mirrorplane.controlplane.sources.internal import InternalSource

STDIN_PATH = Path("-")
STDIN = "stdin"
"""What findings about standard input have as file."""

COMMAND_LINE = "the command line"
"""The name of the source of objects that flags make."""


def flag_source(objects: Iterable[AnyObject]) -> InternalSource:
    """Return the source of objects that flags make. It comes first: what a flag says overrides files."""
    return InternalSource(COMMAND_LINE, objects)


def file_source(paths: Sequence[Path], catalogue: Catalogue) -> FileSource:
    """Return a source that reads every kind of the catalogue and rejects what the Input of a kind rejects.

    Among the paths, `-` is standard input, which is read here, to its end.
    """
    by_kind = catalogue.by_kind  # built anew at every access, and `accept` runs for each object

    def accept(obj: AnyObject) -> Iterable[Finding]:
        return by_kind[obj.ref.kind].validate(obj)

    files = [path for path in paths if path != STDIN_PATH]
    inline = {STDIN: sys.stdin.buffer.read(MAX_BYTES + 1)} if len(files) < len(paths) else {}
    return FileSource(files, registry_of(catalogue.kinds), accept, inline)
