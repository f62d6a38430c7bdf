"""Reads one file into decoded manifests: owns the disk access, and that a file is whole when it is read.

Separate from what is held of a file because this runs on bytes that may be broken, and that knows what served before.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from mirrorplane.controlplane.manifests.composer import YamlError
from mirrorplane.controlplane.manifests.decode import Accept, Decoded, Registry, accept_all, decode
from mirrorplane.controlplane.manifests.documents import MAX_BYTES, Document, check_size, read_documents
from mirrorplane.controlplane.manifests.head import unfold
from mirrorplane.controlplane.manifests.lines import Lines
from mirrorplane.controlplane.sources.files.listing import Fingerprint, fingerprint

_ATTEMPTS: Final = 5


class Found(msgspec.Struct, frozen=True, gc=False):
    """One manifest of a file: what it came to, and where it stands.

    `document` counts the file's documents from 1, without empty ones; `path` is "" or `items[3]` of a List.
    """

    decoded: Decoded
    lines: Lines
    document: int
    path: str

    def line(self, path: str) -> int:
        """Return the line of a field of the manifest."""
        return self.lines.of(f"{self.path}.{path}" if path else self.path)


class Problem(msgspec.Struct, frozen=True):
    """Why a file as a whole cannot be used: a sentence, and the line it is about (0: none)."""

    message: str
    line: int = 0


class Reading(msgspec.Struct, frozen=True):
    """What one file came to. With a `problem` there are no manifests; `fingerprint` is None when to read it again."""

    found: tuple[Found, ...] = ()
    problem: Problem | None = None
    fingerprint: Fingerprint | None = None
    empty: bool = False


class Reader(msgspec.Struct, frozen=True):
    """Reads files with one registry. `accept` looks at each object alone; an ERROR from it refuses the object."""

    registry: Registry
    accept: Accept = accept_all

    def read(self, path: str) -> Reading:
        """Return what a file comes to. Raises FileNotFoundError when it is gone; all else is a Problem."""
        try:
            body, mark = _read_whole(path)
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not Path(path).is_symlink():
                raise
            return Reading(problem=Problem(f"cannot be read: {error.strerror or error}"))
        except YamlError as error:
            return Reading(problem=Problem(error.message, error.line))
        found: list[Found] = []
        number = 0
        try:
            for number, document in enumerate(read_documents(body), start=1):
                found.extend(self._manifests(path, number, document))
        except YamlError as error:
            where = f"document {number + 1}: " if number else ""
            return Reading(problem=Problem(where + error.message, error.line), fingerprint=mark)
        return Reading(tuple(found), fingerprint=mark, empty=not number)

    def _manifests(self, path: str, number: int, document: Document) -> Iterator[Found]:
        for place, manifest in unfold(document.value):
            decoded = decode(manifest, self.registry, path, self.accept)
            if decoded.inside is not None:
                within, lines = decoded.inside
                document.lines.graft(f"{place}.{within}", lines)
            yield Found(decoded, document.lines, number, place)


def _read_whole(path: str) -> tuple[bytes, Fingerprint]:
    """Return the bytes of a file that did not change while they were read. Raises OSError, or YamlError."""
    if not stat.S_ISREG(Path(path).stat().st_mode):  # to open a pipe would block for ever
        raise YamlError("is not a regular file")
    for _ in range(_ATTEMPTS):
        with Path(path).open("rb") as file:
            status = os.fstat(file.fileno())
            check_size(status.st_size)
            body = file.read(MAX_BYTES + 1)
        if fingerprint(Path(path).stat()) == fingerprint(status):
            return body, fingerprint(status)
    raise YamlError("keeps changing while it is read")
