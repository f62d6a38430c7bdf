"""All findings there are: those of sources (by file), those of translators (by object), those of proxies (NACKs)."""

import logging
from collections.abc import Collection, Iterator, Mapping

import msgspec

from mirrorplane.api.finding import Finding
from mirrorplane.api.meta import Ref
from mirrorplane.api.snapshot import GET, Snapshot
from mirrorplane.api.view import View
from mirrorplane.controlplane.engine.engine import Call, Engine
from mirrorplane.controlplane.findings.nacks import NackStore
from mirrorplane.controlplane.sources.source import Locate
from mirrorplane.translators.findings import findings, is_checked

log = logging.getLogger(__name__)


class FindingStore:
    """Findings as they stand now. `locate` gives a finding about an object its file and line.

    `nacks` are those of proxies. They are put together when somebody asks, and kept until something changes.
    """

    def __init__(self, engine: Engine, locate: Locate) -> None:
        self._engine, self._locate = engine, locate
        self._of_sources: dict[str, tuple[Finding, ...]] = {}
        self._of_objects: dict[Ref, tuple[Finding, ...]] = {}
        self._held: dict[Ref, list[Call]] = {}
        self.nacks = NackStore(self._changed)
        self._all: tuple[Finding, ...] | None = None
        self._edition = 0

    def from_source(self, said: Mapping[str, tuple[Finding, ...]]) -> None:
        """Replace what a source says about its origins (files)."""
        self._of_sources.update(said)
        if said:
            self._changed()

    def refresh(self, view: View, snapshot: Snapshot, touched: Collection[Call]) -> None:
        """Ask again about every object that changed, or that something it depends on did."""
        refs = {read[1] for read in snapshot.changed if read[0] == GET}
        asked = {findings, self._engine.lowering}
        refs |= {call[1] for call in touched if call[0] in asked}
        if refs:
            self._changed()
        for ref in refs:
            if ref not in snapshot.objects:
                self._forget(ref)
            else:
                self._hold(ref, self._engine.lowered(ref))
                self._of_objects[ref] = self._asked(view, ref)

    def look_again(self) -> None:
        """Look anew for file and line: an object's may move while it stays the same."""
        self._changed()

    def all(self) -> tuple[Finding, ...]:
        """Return every finding with file and line where known, by place and object. Long work, where there are many."""
        known = self._all
        if known is not None:
            return known
        edition, found = self._edition, set()
        for finding in list(self._said()):
            self._engine.checkpoint()
            found.add(self._placed(finding))
        told = tuple(sorted(found, key=lambda f: (f.file, f.line, f.about, f.path, f.reason, f.message)))
        if edition == self._edition:  # nothing changed while this paused
            self._all = told
        return told

    def _changed(self) -> None:
        self._all = None
        self._edition += 1

    def _said(self) -> Iterator[Finding]:
        for group in (self._of_sources, self._of_objects):
            for said in group.values():
                yield from said
        yield from self.nacks.findings()

    def _asked(self, view: View, ref: Ref) -> tuple[Finding, ...]:
        """Return the findings about an object. Most objects have nothing that checks look at."""
        try:
            said = view.lowered(ref)
            if not is_checked(ref, said):
                return said.findings
            self._hold(ref, (findings, ref))
            return view.memo(findings, ref)
        except Exception as error:
            log.exception("checking %s failed", ref)
            message = f"Mirrorplane failed to check this: {type(error).__name__}: {error}"
            return (Finding(ref, "InternalError", message, fix="report it with the object"),)

    def _hold(self, ref: Ref, call: Call) -> None:
        held = self._held.setdefault(ref, [])
        if call not in held:
            held.append(call)
            self._engine.hold([call])

    def _forget(self, ref: Ref) -> None:
        self._of_objects.pop(ref, None)
        self._engine.release(self._held.pop(ref, ()))

    def _placed(self, finding: Finding) -> Finding:
        location = None if finding.file else self._locate(finding.about, finding.path)
        if location is None:
            return finding
        file, line = location
        return msgspec.structs.replace(finding, file=file, line=line)
