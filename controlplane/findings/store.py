"""All findings: those of sources (by origin), of translators and checks (by object), of proxies (NACKs)."""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

import msgspec

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.meta import Ref
from mirrorplane.api.snapshot import GET, Snapshot
from mirrorplane.api.view import View
from mirrorplane.controlplane.engine.engine import Call, Engine
from mirrorplane.controlplane.findings.nacks import NackStore
from mirrorplane.controlplane.sources.source import Locate
from mirrorplane.translators.findings import findings, is_checked

log = logging.getLogger(__name__)


class FindingStore:
    """The current findings. `locate` gives a finding about an object its file and line; `nacks` are those of proxies.

    `of_proxies` yields those that depend on which proxies are connected. The complete list is assembled when it is
    requested, and cached until something changes. `on_change` is called with the number of changes since the start, at
    each change.
    """

    def __init__(
        self,
        engine: Engine,
        locate: Locate,
        on_change: Callable[[int], None] = lambda _: None,
        of_proxies: Callable[[], Iterable[Finding]] = lambda: (),
    ) -> None:
        self._engine, self._locate, self._on_change, self._of_proxies = engine, locate, on_change, of_proxies
        self._by_origin: dict[str, tuple[Finding, ...]] = {}
        self._by_object: dict[Ref, tuple[Finding, ...]] = {}
        self._calls: dict[Ref, list[Call]] = {}
        self.nacks = NackStore(self.changed)
        self._all: tuple[Finding, ...] | None = None
        self._edition = 0

    def update_sources(self, by_origin: Mapping[str, tuple[Finding, ...]]) -> None:
        """Replace the findings of some origins (see Batch)."""
        for origin, group in by_origin.items():
            if group:
                self._by_origin[origin] = group
            else:
                self._by_origin.pop(origin, None)
        if by_origin:
            self.changed()

    def refresh(self, view: View, snapshot: Snapshot, touched: Collection[Call]) -> None:
        """Update the findings about every object that changed, or that depends on something that did."""
        refs = {read[1] for read in snapshot.changed if read[0] == GET}
        functions = {findings, self._engine.lowering}
        refs |= {call[1] for call in touched if call[0] in functions}
        if refs:
            self.invalidate()
        for ref in refs:
            if ref not in snapshot.objects:
                self._forget(ref)
            else:
                self._hold(ref, self._engine.lowered(ref))
                self._by_object[ref] = self._findings_about(view, ref)
        if refs:
            self.changed()

    def invalidate(self) -> None:
        """Assemble the list anew next time. Also for file and line: an object's may move while it stays the same."""
        self._all = None
        self._edition += 1

    def all(self) -> tuple[Finding, ...]:
        """Return every finding, located where possible, by place and object. Long work when there are many."""
        cached = self._all
        if cached is not None:
            return cached
        edition, located = self._edition, set()
        for finding in list(self._each()):
            self._engine.checkpoint()
            located.add(self._located(finding))
        ordered = tuple(sorted(located, key=lambda f: (f.file, f.line, f.about, f.path, f.reason, f.message)))
        if edition == self._edition:  # nothing changed while this paused
            self._all = ordered
        return ordered

    def changed(self) -> None:
        """Note that findings changed: assemble the list anew next time, and pass it on."""
        self.invalidate()
        self._on_change(self._edition)

    def _each(self) -> Iterator[Finding]:
        for by_key in (self._by_origin, self._by_object):
            for group in by_key.values():
                yield from group
        yield from (finding for finding in self._of_proxies() if not self._is_reported(finding))
        yield from self.nacks.findings()

    def _is_reported(self, finding: Finding) -> bool:
        """Tell whether a check, which sees objects only, has found the same field or one below it wrong."""
        about_object = self._by_object.get(finding.about, ())
        errors = (known.path for known in about_object if known.severity is Severity.ERROR)
        return any(path == finding.path or path.startswith(f"{finding.path}.") for path in errors)

    def _findings_about(self, view: View, ref: Ref) -> tuple[Finding, ...]:
        """Return the findings about an object. Most objects have nothing that a check reads."""
        try:
            lowered = view.lowered(ref)
            if not is_checked(ref, lowered):
                return lowered.findings
            self._hold(ref, (findings, ref))
            return view.memo(findings, ref)
        except Exception as error:
            log.exception("checking %s failed", ref)
            message = f"Mirrorplane failed to check this object: {type(error).__name__}: {error}"
            return (Finding(ref, "InternalError", message, fix="report this bug together with the object"),)

    def _hold(self, ref: Ref, call: Call) -> None:
        calls = self._calls.setdefault(ref, [])
        if call not in calls:
            calls.append(call)
            self._engine.hold([call])

    def _forget(self, ref: Ref) -> None:
        self._by_object.pop(ref, None)
        self._engine.release(self._calls.pop(ref, ()))

    def _located(self, finding: Finding) -> Finding:
        location = None if finding.file else self._locate(finding.about, finding.path)
        if location is None:
            return finding
        file, line = location
        return msgspec.structs.replace(finding, file=file, line=line)
