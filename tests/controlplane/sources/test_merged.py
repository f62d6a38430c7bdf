"""Several sources as one: which object serves, what the others still hold, and what is reported about it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.kinds import kube
from mirrorplane.api.meta import AnyObject, Object, Ref
from mirrorplane.controlplane.sources.changes import Batch, Change
from mirrorplane.controlplane.sources.merged import SHADOWED, Ownership, Sources
from mirrorplane.controlplane.sources.source import Location, Source
from tests.profiles import examples


def ref_of(name: str) -> Ref:
    return Ref(kube.SERVICE.key, "default", name)


def service(name: str, generation: int = 1) -> AnyObject:
    return Object(ref_of(name), kube.ServiceSpec(), generation=generation)


def change(name: str, generation: int) -> Change:
    return Change(ref_of(name), service(name, generation) if generation else None)


NAMES = "abcd"
CHANGES = st.dictionaries(st.sampled_from(NAMES), st.integers(0, 2), max_size=3)
"""Generations by name; 0 removes the object. The same one again, and removing what is not there, are allowed."""


class Merging(RuleBasedStateMachine):
    """Any puts and removals in some sources, against a merge from scratch."""

    @initialize(count=st.integers(1, 4))
    def start(self, count: int) -> None:
        self.names = [f"source-{number}" for number in range(count)]
        self.ownership = Ownership(self.names)
        self.objects: list[dict[Ref, AnyObject]] = [{} for _ in range(count)]
        self.served: dict[Ref, AnyObject] = {}
        self.findings: dict[str, tuple[Finding, ...]] = {}

    @rule(data=st.data())
    def take(self, data: st.DataObject) -> None:
        batches = data.draw(
            st.lists(st.tuples(st.integers(0, len(self.names) - 1), CHANGES), max_size=3), label="batches"
        )
        for number, generations in batches:
            for name, generation in generations.items():
                self.objects[number].pop(ref_of(name), None)
                if generation:
                    self.objects[number][ref_of(name)] = service(name, generation)
        merged = self.ownership.merge(
            (number, Batch(tuple(change(name, generations[name]) for name in sorted(generations))))
            for number, generations in batches
        )
        refs = [each.ref for each in merged.changes]
        assert refs == sorted(set(refs))
        for each in merged.changes:
            assert self.served.get(each.ref) != each.obj, "a Change that changes nothing"
            self.served.pop(each.ref, None)
            if each.obj is not None:
                self.served[each.ref] = each.obj
        for origin, group in merged.findings.items():
            assert self.findings.get(origin, ()) != group, "findings that are not new"
            self.findings[origin] = group

    @invariant()
    def the_first_source_that_holds_a_ref_serves_it(self) -> None:
        expected: dict[Ref, AnyObject] = {}
        for objects in reversed(self.objects):
            expected |= objects
        assert self.served == expected
        for ref in map(ref_of, NAMES):
            holders = [number for number, objects in enumerate(self.objects) if ref in objects]
            assert self.ownership.owner(ref) == (holders[0] if holders else None)

    @invariant()
    def every_object_that_hides_others_is_reported_once(self) -> None:
        reported = {finding.about: finding.message for group in self.findings.values() for finding in group}
        expected = {}
        for ref in map(ref_of, NAMES):
            holders = [name for name, objects in zip(self.names, self.objects, strict=True) if ref in objects]
            if len(holders) > 1:
                expected[ref] = holders
        assert reported.keys() == expected.keys()
        for ref, (winner, *hidden) in expected.items():
            assert reported[ref].startswith(f"also defined in {' and in '.join(hidden)}, without effect")
            assert reported[ref].endswith(f"the definition in {winner} takes precedence")


TestMerging = Merging.TestCase
TestMerging.settings = settings(max_examples=examples(1.5), stateful_step_count=15)


class Scripted:
    """A source that returns the batches it is given: the first from load, the others from watch."""

    def __init__(self, name: str, *batches: Batch, error: Exception | None = None) -> None:
        self.name, self.batches, self.error = name, list(batches), error
        self.ended = False
        self.rereads = 0

    async def load(self) -> Batch:
        return self.batches.pop(0)

    async def watch(self, stop: asyncio.Event) -> AsyncIterator[Batch]:
        try:
            for batch in self.batches:
                await asyncio.sleep(0)
                yield batch
            if self.error:
                raise self.error
            await stop.wait()
        finally:
            self.ended = True

    def reread(self) -> None:
        self.rereads += 1

    def locate(self, ref: Ref, path: str) -> Location | None:
        return Location(self.name, len(path))


def batch(*changes: Change, synced: bool = True, **findings: tuple[Finding, ...]) -> Batch:
    return Batch(changes, findings, synced)


async def follow(sources: Source, count: int) -> list[Batch]:
    """What is loaded, and the first batches that come after it."""
    batches, stop = [await sources.load()], asyncio.Event()
    async with asyncio.timeout(60), aclosing(sources.watch(stop)) as following:
        async for each in following:
            batches.append(each)
            if len(batches) > count:
                stop.set()
    return batches


async def test_an_object_dropped_by_the_source_that_serves_it_is_served_from_the_next():
    folder = Scripted("folder", batch(change("a", 7)), batch(change("a", 0)))
    cluster = Scripted("cluster", batch(change("a", 3), change("b", 1)))
    loaded, dropped = await follow(Sources([folder, cluster]), 1)
    assert [(each.ref.name, each.obj.generation) for each in loaded.changes] == [("a", 7), ("b", 1)]
    [shadowed] = [finding for group in loaded.findings.values() for finding in group]
    assert (shadowed.about, shadowed.reason, shadowed.severity) == (ref_of("a"), SHADOWED, Severity.WARNING)
    assert shadowed.message == "also defined in cluster, without effect: the definition in folder takes precedence"
    assert dropped.changes == (change("a", 3),)
    assert list(dropped.findings.values()) == [()]


async def test_an_object_dropped_by_a_source_that_does_not_serve_it_changes_nothing_but_the_finding():
    folder = Scripted("folder", batch(change("a", 7)))
    cluster = Scripted("cluster", batch(change("a", 3)), batch(change("a", 0)))
    _, dropped = await follow(Sources([folder, cluster]), 1)
    assert dropped.changes == ()
    assert list(dropped.findings.values()) == [()]


async def test_a_field_is_located_by_the_source_that_serves_the_object():
    sources = Sources([Scripted("folder", batch(change("a", 1))), Scripted("cluster", batch(change("b", 1)))])
    await sources.load()
    assert sources.locate(ref_of("a"), "spec") == ("folder", 4)
    assert sources.locate(ref_of("b"), "") == ("cluster", 0)
    assert sources.locate(ref_of("c"), "") is None


async def test_findings_of_two_sources_about_one_file_do_not_replace_each_other():
    finding = Finding(ref_of("a"), "Reason", "message")
    sources = Sources([Scripted("one", batch(file=(finding,))), Scripted("two", batch(file=()))])
    loaded = await sources.load()
    assert loaded.findings == {"one: file": (finding,), "two: file": ()}


@pytest.mark.parametrize("changes", [(), (change("a", 2),)])
async def test_all_is_synced_when_every_source_is(changes: tuple[Change, ...]):
    folder = Scripted("folder", batch(change("b", 1)))
    cluster = Scripted("cluster", batch(synced=False), batch(change("a", 1), synced=False), batch(*changes), batch())
    batches = await follow(Sources([folder, cluster]), 2)
    assert [each.synced for each in batches] == [False, False, True]
    assert [each.changes for each in batches] == [(change("b", 1),), (change("a", 1),), changes]


async def test_sources_of_sources_are_a_source():
    inner = Sources([Scripted("one", batch(change("a", 1))), Scripted("two", batch(change("a", 2), change("b", 2)))])
    outer = Sources([Scripted("zero", batch(change("b", 9))), inner])
    loaded = await outer.load()
    assert loaded.changes == (change("a", 1), change("b", 9))
    assert outer.name == "zero, one, two"
    assert outer.locate(ref_of("a"), "") == ("one", 0)


async def test_the_error_of_one_source_ends_all_after_what_came_before_it():
    failing = Scripted("one", batch(), batch(change("a", 1)), error=OSError("the connection broke"))
    patient = Scripted("two", batch())
    sources = Sources([failing, patient])
    await sources.load()
    following = sources.watch(asyncio.Event())
    assert (await anext(following)).changes == (change("a", 1),)
    with pytest.raises(OSError, match="the connection broke"):
        await anext(following)
    assert failing.ended
    assert patient.ended


def test_two_sources_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two sources have the same name: a, b, a"):
        Sources(map(Scripted, "aba"))


def test_all_sources_read_again():
    sources = [Scripted("a"), Scripted("b")]
    Sources(sources).reread()
    assert [source.rereads for source in sources] == [1, 1]
