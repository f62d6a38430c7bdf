"""Reads YAML (and so JSON) bytes into plain values: owns the limits that make a hostile or broken file harmless.

Separate from decode because it knows nothing of Kubernetes objects. It drives libyaml's event stream and builds the
values itself: PyYAML's own C composer overflows the stack on deep nesting and expands aliases without limit, while
events arrive one by one, so that a limit stops the reading at once. As in `kubectl apply`, duplicate keys are an error,
and so are tags that would build anything but plain values.
"""

import codecs
import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import yaml

from mirrorplane.controlplane.manifests.composer import Composer, YamlError
from mirrorplane.controlplane.manifests.lines import Lines

MAX_BYTES: Final = 32 * 1024 * 1024

_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_UTF16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Document(msgspec.Struct, frozen=True, gc=False):
    """One document that is not empty: its plain value, and the lines of its fields."""

    value: Any
    lines: Lines


def read_documents(body: bytes) -> Iterator[Document]:
    """Yield the documents of a YAML or JSON file, without the empty ones, each as soon as it is read.

    Raises YamlError when the file is over 32 MiB, not UTF-8, not YAML, or beyond the limits of the Composer; possibly
    after some documents, so use none of them before the end.
    """
    composer = Composer(yaml.CSafeLoader(_text(body)))
    try:
        for value, lines in composer.documents():
            if value is not None:
                yield Document(value, lines)
    except yaml.MarkedYAMLError as error:
        raise YamlError(_sentence(error), _line(error)) from None
    except yaml.YAMLError as error:
        raise YamlError(str(error).partition("\n")[0]) from None


def require_libyaml() -> None:
    """Raise RuntimeError when PyYAML was built without libyaml: its Python reader is ten times slower."""
    if not yaml.__with_libyaml__:
        raise RuntimeError("PyYAML was built without libyaml; install the wheel from PyPI, or libyaml and rebuild")


def check_size(size: int) -> None:
    """Raise YamlError when a file of `size` bytes is over the limit, so that it need not be read first."""
    if size > MAX_BYTES:
        raise YamlError(f"the file has {size:,} bytes, more than the limit of {MAX_BYTES:,}; split it")


def _text(body: bytes) -> str:
    check_size(len(body))
    if body.startswith(_UTF16):
        raise YamlError("the file is UTF-16; save it as UTF-8")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise YamlError(f"byte {body[error.start]:#04x} is not UTF-8; save the file as UTF-8", line) from None
    forbidden = _FORBIDDEN.search(text)
    if forbidden:
        line = text.count("\n", 0, forbidden.start()) + 1
        raise YamlError(f"YAML does not allow the control character U+{ord(forbidden[0]):04X}; remove it", line)
    return text


def _sentence(error: yaml.MarkedYAMLError) -> str:
    return ", ".join(part for part in (error.context, error.problem) if part)


def _line(error: yaml.MarkedYAMLError) -> int:
    mark = error.problem_mark or error.context_mark
    return mark.line + 1 if mark else 0
