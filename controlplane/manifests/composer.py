"""Builds plain values from libyaml's events: owns nesting, keys, anchors, aliases and merge keys, and their limits.

It is the one part of the reader with state that changes while it reads. It never
recurses, so no nesting can overflow a stack.
"""

from collections.abc import Iterator
from sys import intern
from typing import Any, Final

import yaml
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from mirrorplane.controlplane.manifests.lines import Lines
from mirrorplane.controlplane.manifests.scalars import TAG_PREFIX, resolve, resolve_tagged, show_tag

# What walks a value after this recurses: far below Python's limit of 1,000 frames, and above any manifest.
MAX_DEPTH: Final = 64
# Nested aliases multiply ("billion laughs"): a few hundred bytes can stand for gigabytes.
MAX_EXPANDED: Final = 10_000
_LITERAL: Final = "|"
_MERGE: Final = "<<"
_ABSENT: Final = object()


class YamlError(ValueError):
    """A file that is not valid YAML: a sentence for users, and the 1-based line it is about (0: the whole file)."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


class _Open:
    """A collection that has not ended yet: its value, and the key whose value comes next."""

    __slots__ = ("anchor", "entry", "key", "merged", "start", "value")

    def __init__(self, value: Any, anchor: str | None, entry: int, start: int) -> None:
        self.value = value
        self.anchor = anchor
        self.entry = entry
        self.start = start
        self.key: str | None = None
        self.merged: Any = _ABSENT


class Composer:
    """Reads one stream of events, document by document. Aliases may expand to 10,000 nodes in the whole stream."""

    def __init__(self, loader: yaml.CSafeLoader) -> None:
        self._next = loader.get_event
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._nodes = 0
        self._expanded = 0
        self._root: Any = None
        self._lines = Lines(1)

    def documents(self) -> Iterator[tuple[Any, Lines]]:
        """Yield the value and the lines of each document. Raises YamlError, or yaml.YAMLError from libyaml."""
        event = self._next()
        while event is not None:
            if type(event) is DocumentStartEvent:
                yield self._document()
            event = self._next()

    def _document(self) -> tuple[Any, Lines]:
        self._anchors = {}
        self._lines = Lines(0)
        event = self._next()
        while type(event) is not DocumentEndEvent:
            self._node(event)
            event = self._next()
        return self._root, self._lines

    def _node(self, event: Any) -> None:
        kind = type(event)
        if kind is ScalarEvent:
            self._scalar(event)
        elif kind is MappingStartEvent:
            self._enter(event, {})
        elif kind is SequenceStartEvent:
            self._enter(event, [])
        elif kind is MappingEndEvent or kind is SequenceEndEvent:
            self._leave()
        elif kind is AliasEvent:
            self._alias(event)

    def _scalar(self, event: Any) -> None:
        self._nodes += 1
        value = event.value
        if event.tag is not None:
            value = _tagged(event)
        elif event.implicit[0]:  # plain style: quoted scalars are always strings
            value = resolve(value)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, 1)
        self._attach(value, event)
        if event.style == _LITERAL:
            self._lines.blocks.append(len(self._lines.keys) - 1)

    def _alias(self, event: Any) -> None:
        if event.anchor not in self._anchors:
            raise YamlError(f"the alias *{event.anchor} has no complete anchor before it", _line(event))
        value, nodes = self._anchors[event.anchor]  # the same object, not a copy: only the walk over it grows
        self._nodes += nodes
        self._expanded += nodes
        if self._expanded > MAX_EXPANDED:
            raise YamlError(f"the aliases of this file expand to over {MAX_EXPANDED:,} nodes, the limit", _line(event))
        self._attach(value, event)

    def _enter(self, event: Any, value: Any) -> None:
        if event.tag is not None and event.tag not in {f"{TAG_PREFIX}map", f"{TAG_PREFIX}seq"}:
            raise YamlError(f"the YAML tag {show_tag(event.tag)} is not supported; remove it", _line(event))
        if len(self._open) >= MAX_DEPTH:
            raise YamlError(f"nested deeper than {MAX_DEPTH} levels, the limit", _line(event))
        start = self._nodes
        self._nodes += 1
        self._attach(value, event)
        self._open.append(_Open(value, event.anchor, len(self._lines.keys) - 1, start))

    def _leave(self) -> None:
        closed = self._open.pop()
        if closed.entry >= 0:
            self._lines.spans[closed.entry] = len(self._lines.keys) - closed.entry
        if closed.merged is not _ABSENT:
            _merge(closed, self._line_of(_MERGE, closed))
        if closed.anchor is not None:
            self._anchors[closed.anchor] = (closed.value, self._nodes - closed.start)

    def _attach(self, value: Any, event: Any) -> None:
        if not self._open:
            self._root = value
            self._lines.root = _line(event)
            return
        parent = self._open[-1]
        collection, key = parent.value, parent.key
        if type(collection) is list:
            self._record(None, event)
            collection.append(value)
        elif key is None:
            parent.key = self._key(parent, value, event)
            self._record(parent.key, event)
        else:
            parent.key = None
            if key == _MERGE:
                parent.merged = value
            else:
                collection[key] = value

    def _key(self, parent: _Open, value: Any, event: Any) -> str:
        """Return a key as the string JSON would have: Kubernetes writes `on: 1` as `"true": 1`."""
        if isinstance(value, bool):
            value = str(value).lower()
        elif isinstance(value, int | float):
            value = str(value)
        elif isinstance(value, dict):
            raise YamlError("a mapping is used as a key: is this an unrendered template?", _line(event))
        elif not isinstance(value, str):
            raise YamlError("a mapping key must be a string, not a list or null", _line(event))
        if value in parent.value or (value == _MERGE and parent.merged is not _ABSENT):
            first = self._line_of(value, parent)
            raise YamlError(f"duplicate key {value!r}, first on line {first}; remove one of them", _line(event))
        return intern(value)  # the same few keys stand in every manifest, and Lines keeps them all

    def _line_of(self, key: str, mapping: _Open) -> int:
        lines = self._lines
        return lines.lines[lines.find(key, mapping.entry + 1, len(lines.keys))]

    def _record(self, key: str | None, event: Any) -> None:
        lines = self._lines
        lines.keys.append(key)
        lines.lines.append(event.start_mark.line + 1)
        lines.spans.append(1)


def _merge(closed: _Open, line: int) -> None:
    """Add the keys that a mapping lacks from its merge sources, the first source first, as YAML's merge type says."""
    sources = closed.merged if isinstance(closed.merged, list) else [closed.merged]
    for source in sources:
        if not isinstance(source, dict):
            raise YamlError("the merge key << needs a mapping or a list of mappings", line)
        for key, value in source.items():
            closed.value.setdefault(key, value)


def _tagged(event: Any) -> Any:
    try:
        return resolve_tagged(event.tag, event.value)
    except ValueError as error:
        raise YamlError(str(error), _line(event)) from None


def _line(event: Any) -> int:
    line: int = event.start_mark.line
    return line + 1
