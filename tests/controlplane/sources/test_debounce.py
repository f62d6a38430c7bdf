"""Debounce: the first change at once, a storm merged, nothing lost. Time is simulated: an idle loop jumps ahead."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st

from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds import kube
from mirrorplane.api.meta import Object, Ref
from mirrorplane.controlplane.commands.serve import serve
from mirrorplane.controlplane.sources.changes import Batch, Change
from mirrorplane.controlplane.sources.debounce import Debounce, Storm, debounced
from tests.controlplane.sources.simulated_time import simulated

PACE = Debounce(quiet=0.1, longest=1.0)
HOUR = Debounce(quiet=3600.0, longest=7200.0)
TOLERANCE = 1e-6
Arrivals = list[tuple[float, Batch]]
Passed = list[tuple[float, Batch]]


async def arriving(arrivals: Arrivals, error: Exception | None = None) -> AsyncIterator[Batch]:
    for wait, batch in arrivals:
        if wait:
            await asyncio.sleep(wait)
        yield batch
    if error:
        raise error


async def passed(source: AsyncIterator[Batch], pace: Debounce, busy: float = 0.0) -> Passed:
    """What the consumer gets, and when; it is busy for some time after each batch."""
    got: Passed = []
    async with debounced(source, pace) as batches:
        async for batch in batches:
            got.append((now(), batch))
            await asyncio.sleep(busy)
    return got


async def test_it_is_known_when_the_first_part_of_a_batch_came():
    source = arriving([(0.0, batch("a")), (0.02, batch("b")), (0.03, batch("c")), (0.5, batch("d"))])
    async with debounced(source, Debounce(quiet=0.1, longest=1.0)) as batches:
        waited = [now() - batches.since async for _ in batches]
    assert len(waited) == 3
    assert waited[1] >= 0.1, "b came first, and waited with c until it was quiet"


def now() -> float:
    return asyncio.get_running_loop().time()


def change(name: str, generation: int) -> Change:
    ref = Ref(kube.SERVICE.key, "default", name)
    return Change(ref, Object(ref, kube.ServiceSpec(), generation=generation) if generation else None)


def batch(name: str = "a", generation: int = 1) -> Batch:
    return Batch((change(name, generation),))


def world_of(batches: list[Batch]) -> tuple[dict, dict]:
    """The objects by Ref after these batches, and the findings by origin."""
    objects, findings = {}, {}
    for each in batches:
        objects |= {c.ref: c.obj for c in each.changes}
        findings |= each.findings
    return {k: v for k, v in objects.items() if v}, {k: v for k, v in findings.items() if v}


def only_batches(got: list[tuple[float, Batch]]) -> list[Batch]:
    return [each for _, each in got]


FINDINGS = st.lists(st.sampled_from("xyz"), max_size=2).map(
    lambda reasons: tuple(Finding(Ref("Service", "", "s"), reason, "message") for reason in reasons)
)
BATCHES = st.builds(
    lambda changed, findings: Batch(tuple(change(name, changed[name]) for name in sorted(changed)), findings),
    st.dictionaries(st.sampled_from("abcd"), st.integers(0, 3), min_size=1),
    st.dictionaries(st.sampled_from(["one.yaml", "two.yaml"]), FINDINGS),
)
ARRIVALS = st.lists(st.tuples(st.sampled_from([0.0, 0.03, 0.09, 0.11, 0.5, 2.0]), BATCHES), max_size=20)
STORM = [(0.03, batch("abcd"[i % 4], i)) for i in range(60)]


@given(ARRIVALS, st.sampled_from([0.0, 0.04, 0.3, 3.0]))
@example(STORM, 0.0)
@example(STORM, 3.0)
def test_merged_batches_make_the_same_world_as_all_of_them_one_by_one(arrivals: Arrivals, busy: float):
    got = simulated(lambda: passed(arriving(arrivals), PACE, busy))
    assert world_of(only_batches(got)) == world_of(only_batches(arrivals))
    for each in only_batches(got):
        refs = [c.ref for c in each.changes]
        assert refs == sorted(set(refs))


@given(ARRIVALS)
@example(STORM)
def test_a_batch_after_a_quiet_time_goes_at_once_and_no_other_before_its_time(arrivals: Arrivals):
    arrival_times = times(arrivals)
    passing_times = [moment for moment, _ in simulated(lambda: passed(arriving(arrivals), PACE))]
    for i, moment in enumerate(arrival_times):
        earlier = [*arrival_times[:i], *(t for t in passing_times if t < moment - TOLERANCE)]
        if not earlier or moment > max(earlier) + PACE.quiet + TOLERANCE:
            assert near(moment, passing_times)
    for before, after in pairwise(passing_times):
        assert after - before >= PACE.quiet - TOLERANCE or near(after, arrival_times[-1:])


@given(ARRIVALS)
@example(STORM)
def test_no_batch_waits_longer_than_the_longest_nor_a_quiet_time_after_the_last(arrivals: Arrivals):
    arrival_times = times(arrivals)
    passing_times = [moment for moment, _ in simulated(lambda: passed(arriving(arrivals), PACE))]
    for i, moment in enumerate(arrival_times):
        next_out = min(t for t in passing_times if t >= moment - TOLERANCE)
        assert next_out - moment <= PACE.longest + TOLERANCE
        following = arrival_times[i + 1] if i + 1 < len(arrival_times) else float("inf")
        if following > moment + PACE.quiet + TOLERANCE:
            assert next_out - moment <= PACE.quiet + TOLERANCE


@given(st.lists(st.tuples(st.floats(0, 3), st.booleans()), min_size=1, max_size=50))
def test_what_is_due_never_moves_away(steps: list[tuple[float, bool]]):
    storm, clock = Storm(), 0.0
    for wait, consumed in steps:
        clock += wait
        was_due = storm.due <= clock
        storm = storm.arrived(clock, PACE)
        assert storm.due <= clock or not was_due
        assert storm.due <= storm.since + PACE.longest
        if consumed and storm.due <= clock:
            storm = storm.passed(clock, PACE)


def test_a_quiet_of_zero_merges_nothing_but_what_comes_while_the_consumer_is_busy():
    arrivals = [(0.01, batch("a", i)) for i in range(1, 6)]
    got = simulated(lambda: passed(arriving(arrivals), Debounce(quiet=0.0)))
    assert only_batches(got) == only_batches(arrivals)


def test_a_storm_of_a_minute_is_passed_on_every_ten_seconds():
    arrivals = [(0.05, batch("a", i)) for i in range(1, 1201)]
    passing_times = [moment for moment, _ in simulated(lambda: passed(arriving(arrivals), Debounce()))]
    assert passing_times == pytest.approx([0.05, 10.1, 20.1, 30.1, 40.1, 50.1, 60.0], abs=0.2)


@pytest.mark.parametrize("error", [None, OSError("the disk went")])
def test_what_waits_goes_before_the_end_or_the_error_of_the_source(error: Exception | None):
    got: list[Batch] = []

    async def follow() -> None:
        async with debounced(
            arriving([(0.0, batch("a")), (0.0, batch("b")), (0.0, batch("c"))], error), HOUR
        ) as batches:
            got.extend([each async for each in limited(batches, got)])

    async def limited(batches: AsyncIterator[Batch], into: list[Batch]) -> AsyncIterator[Batch]:
        async for each in batches:
            into.append(each)
            yield each

    if error:
        with pytest.raises(OSError, match="the disk went"):
            simulated(follow)
    else:
        simulated(follow)
    assert world_of(got) == world_of([batch("a"), batch("b"), batch("c")])


def test_a_wait_that_is_cancelled_loses_nothing():
    async def follow() -> list[Batch]:
        async with debounced(arriving([(0.0, batch("a")), (0.05, batch("b")), (9.0, batch("c"))]), PACE) as batches:
            got = [await anext(batches)]
            for patience in (0.02, 0.02, 0.02, 0.02):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(anext(batches), patience)
            return [*got, await anext(batches), await anext(batches)]

    assert simulated(follow) == [batch("a"), batch("b"), batch("c")]


def test_leaving_ends_the_source():
    ended = []

    async def endless() -> AsyncIterator[Batch]:
        try:
            yield batch()
            await asyncio.sleep(1e9)
        finally:
            ended.append(now())

    async def follow() -> None:
        async with debounced(endless(), PACE) as batches:
            await anext(batches)

    simulated(follow)
    assert ended == [0.0]


def times(arrivals: Arrivals) -> list[float]:
    moments, moment = [], 0.0
    for wait, _ in arrivals:
        moment += wait
        moments.append(moment)
    return moments


def near(moment: float, moments: list[float]) -> bool:
    return any(abs(moment - other) <= TOLERANCE for other in moments)


@pytest.mark.parametrize("flag", ["--debounce-quiet", "--debounce-max"])
def test_a_debounce_that_is_no_duration_is_one_clear_line(flag: str, tmp_path: Path):
    result = CliRunner().invoke(serve, ["-f", str(tmp_path), flag, "soon"])
    assert result.exit_code == 2
    assert f"{flag}: 'soon' is not a duration" in result.output
