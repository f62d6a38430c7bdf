"""Reads one file into decoded manifests: owns the disk access, and that a file does not change while it is read.

Separate from the state of a file because this runs on bytes that may be broken, and that one knows what served before.
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

# A file that changed during so many reads is reported, and read again later.
_ATTEMPTS: Final = 5


class Manifest(msgspec.Struct, frozen=True, gc=False):
    """One manifest of a file, decoded, and its place in the file.

    `document` counts the file's documents from 1, without empty ones; `path` is "" or `items[3]` of a List.
    """

    decoded: Decoded
    lines: Lines
    document: int
    path: str

    def line(self, path: str) -> int:
        """Return the line of a field of the manifest."""
        return self.lines.line_of(f"{self.path}.{path}" if path else self.path)


class FileProblem(msgspec.Struct, frozen=True):
    """Why a file as a whole is unusable: a sentence for users, and the line it is about (0: none)."""

    message: str
    line: int = 0


class Reading(msgspec.Struct, frozen=True):
    """The content of one file. With a `problem` it has no manifests; without a `fingerprint` it is read again."""

    manifests: tuple[Manifest, ...] = ()
    problem: FileProblem | None = None
    fingerprint: Fingerprint | None = None
    empty: bool = False


class Reader(msgspec.Struct, frozen=True):
    """Reads files with one registry. `accept` validates each object alone; an ERROR from it rejects the object."""

    registry: Registry
    accept: Accept = accept_all

    def read(self, path: str) -> Reading:
        """Read and decode a file. Raises FileNotFoundError when it was deleted; any other failure is a FileProblem."""
        try:
            body, mark = _read_consistently(path)
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not Path(path).is_symlink():
                raise
            return Reading(problem=FileProblem(f"cannot be read: {error.strerror or error}"))
        except YamlError as error:
            return Reading(problem=FileProblem(error.message, error.line))
        return self.parse(path, body, mark)

    def parse(self, path: str, body: bytes, mark: Fingerprint | None = None) -> Reading:
        """Decode the content of a file."""
        manifests: list[Manifest] = []
        number = 0
        try:
            for number, document in enumerate(read_documents(body), start=1):
                manifests.extend(self._manifests(path, number, document))
        except YamlError as error:
            where = f"document {number + 1}: " if number else ""
            return Reading(problem=FileProblem(where + error.message, error.line), fingerprint=mark)
        return Reading(tuple(manifests), fingerprint=mark, empty=not number)

    def _manifests(self, path: str, number: int, document: Document) -> Iterator[Manifest]:
        for item_path, value in unfold(document.value):
            decoded = decode(value, self.registry, path, self.accept)
            if decoded.embedded is not None:
                inner_path, lines = decoded.embedded
                document.lines.graft(f"{item_path}.{inner_path}", lines)
            yield Manifest(decoded, document.lines, number, item_path)


def _read_consistently(path: str) -> tuple[bytes, Fingerprint]:
    """Return the bytes of a file that did not change while they were read. Raises OSError or YamlError."""
    _check_regular(Path(path).stat())  # before it is opened: a socket cannot be
    for _ in range(_ATTEMPTS):
        with open(path, "rb", opener=_open_at_once) as file:
            status = os.fstat(file.fileno())
            _check_regular(status)
            check_size(status.st_size)
            # It may have grown since: one byte over the limit is enough to refuse it.
            body = file.read(MAX_BYTES + 1)
        if fingerprint(Path(path).stat()) == fingerprint(status):
            return body, fingerprint(status)
    raise YamlError("the file keeps changing while it is read")


def _check_regular(status: os.stat_result) -> None:
    """Raise YamlError for a pipe, a socket or a device."""
    if not stat.S_ISREG(status.st_mode):
        raise YamlError("not a regular file; move it away or replace it")


def _open_at_once(path: str, flags: int) -> int:
    """Open a file, also a pipe, without waiting for its other end."""
    return os.open(path, flags | os.O_NONBLOCK)
