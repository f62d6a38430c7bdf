"""The internal source: objects that begin and expire. Time is simulated; the source has a clock of its own."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mirrorplane.api.kinds import kube
from mirrorplane.api.meta import AnyObject, Object, Ref
from mirrorplane.controlplane.sources.changes import Change
from mirrorplane.controlplane.sources.internal import InternalSource
from tests.controlplane.sources.simulated_time import simulated

EPOCH = 1_800_000_000.0
"""When the simulation begins, in seconds since 1970."""
Emitted = list[tuple[float, str, int]]
"""When (in seconds of the simulation), the name of the object, and its generation; 0 for one that was removed."""


def service(name: str, generation: int = 1) -> AnyObject:
    return Object(Ref(kube.SERVICE.key, "default", name), kube.ServiceSpec(), generation=generation)


def now() -> float:
    return asyncio.get_running_loop().time()


def run(script: Callable[[InternalSource], list[tuple[float, Callable[[], None]]]], length: float) -> Emitted:
    """Do each step of a script at its time, for so many seconds, and return what the source emits."""

    async def play() -> Emitted:
        source = InternalSource("test", clock=lambda: EPOCH + now())
        stop, emitted = asyncio.Event(), Emitted()
        loop = asyncio.get_running_loop()
        for moment, step in script(source):
            loop.call_at(moment, step)
        loop.call_at(length, stop.set)

        def take(changes: tuple[Change, ...]) -> None:
            emitted.extend((round(now(), 6), c.ref.name, c.obj.generation if c.obj else 0) for c in changes)

        take((await source.load()).changes)
        async with aclosing(source.watch(stop)) as batches:
            async for batch in batches:
                assert batch
                take(batch.changes)
        return emitted

    result = simulated(play)
    assert isinstance(result, list)
    return result


def test_an_object_is_removed_when_it_expires():
    emitted = run(lambda source: [(10.0, lambda: source.put(service("a"), until=EPOCH + 3610.5))], 9999.0)
    assert emitted == [(10.0, "a", 1), (3610.5, "a", 0)]


def test_an_object_may_begin_later():
    emitted = run(lambda source: [(1.0, lambda: source.put(service("a"), EPOCH + 30.0, since=EPOCH + 20.0))], 99.0)
    assert emitted == [(20.0, "a", 1), (30.0, "a", 0)]


def test_what_is_put_again_is_prolonged_without_a_change():
    def script(source: InternalSource) -> list[tuple[float, Callable[[], None]]]:
        return [
            (1.0, lambda: source.put(service("a"), until=EPOCH + 10.0)),
            (5.0, lambda: source.put(service("a"), until=EPOCH + 200.0)),
            (20.0, lambda: source.put(service("a", 2))),
        ]

    assert run(script, 999.0) == [(1.0, "a", 1), (20.0, "a", 2)]


def test_what_is_removed_is_gone_at_once_and_does_not_come_back():
    def script(source: InternalSource) -> list[tuple[float, Callable[[], None]]]:
        return [
            (1.0, lambda: source.put(service("a"))),
            (1.0, lambda: source.put(service("b"), since=EPOCH + 50.0)),
            (2.0, lambda: source.remove(service("a").ref)),
            (2.0, lambda: source.remove(service("b").ref)),
            (3.0, lambda: source.remove(service("never").ref)),
        ]

    assert run(script, 99.0) == [(1.0, "a", 1), (2.0, "a", 0)]


def test_what_has_expired_before_anybody_reads_is_never_emitted():
    emitted = run(lambda source: [(0.0, lambda: source.put(service("a"), until=EPOCH - 1.0))], 9.0)
    assert emitted == []


async def test_objects_given_at_the_start_are_loaded():
    source = InternalSource("flags", [service("b"), service("a")])
    loaded = await source.load()
    assert [change.ref.name for change in loaded.changes] == ["a", "b"]
    assert loaded.synced
    assert source.locate(service("a").ref, "spec") is None


def test_an_expiry_is_seen_within_a_minute_when_the_clock_is_set():
    async def play() -> float:
        offset = 0.0
        source, stop = InternalSource("test", clock=lambda: EPOCH + offset + now()), asyncio.Event()
        source.put(service("a"), until=EPOCH + 86400.0)
        async with aclosing(source.watch(stop)) as batches:
            await anext(batches)
            waiting = asyncio.ensure_future(anext(batches))
            await asyncio.sleep(30.0)
            offset = 86400.0  # somebody sets the clock a day ahead
            await waiting
            return now()

    assert 30.0 <= simulated(play) <= 91.0


def test_what_expires_while_a_batch_is_consumed_is_removed_right_after():
    async def play() -> float:
        source, stop = InternalSource("test", clock=lambda: EPOCH + now()), asyncio.Event()
        source.put(service("a"), until=EPOCH + 10.0)
        async with aclosing(source.watch(stop)) as batches:
            await anext(batches)
            await asyncio.sleep(20.0)
            assert (await anext(batches)).changes == (Change(service("a").ref, None),)
            return now()

    assert simulated(play) == 20.0


TIMES = st.integers(0, 200).map(lambda tenths: tenths * 7.3)
STEPS = st.lists(
    st.tuples(TIMES, st.sampled_from("ab"), st.integers(0, 2), st.none() | TIMES, st.none() | TIMES),
    max_size=12,
    unique_by=lambda step: step[0],  # timers of one moment have no order
)


@given(STEPS)
def test_at_any_time_what_was_emitted_is_what_exists(steps: list[tuple[float, str, int, float | None, float | None]]):
    """Each step puts (or with generation 0 removes) an object; a model looks at all entries at any moment."""
    steps = sorted(steps, key=lambda step: step[0])

    def script(source: InternalSource) -> list[tuple[float, Callable[[], None]]]:
        def do(name: str, generation: int, since: float | None, until: float | None) -> None:
            if generation:
                begin = None if since is None else EPOCH + since
                source.put(service(name, generation), None if until is None else EPOCH + until, begin)
            else:
                source.remove(service(name).ref)

        return [
            (moment, lambda args=(name, generation, since, until): do(*args))
            for moment, name, generation, since, until in steps
        ]

    def expected(name: str, moment: float) -> int:
        last = [step for step in steps if step[0] <= moment and step[1] == name][-1:]
        for _, _, generation, since, until in last:
            begin, end = -1.0 if since is None else since, float("inf") if until is None else until
            return generation if begin <= moment < end else 0
        return 0

    emitted = run(script, 2000.0)
    moments = {step[0] for step in steps} | {time for step in steps for time in step[3:] if time is not None}
    for begin_or_end in moments:
        moment = begin_or_end + 0.001
        for name in "ab":
            current = [generation for when, ref_name, generation in emitted if ref_name == name and when <= moment]
            assert (current or [0])[-1] == expected(name, moment)
    for name in "ab":
        generations = [0] + [generation for _, ref_name, generation in emitted if ref_name == name]
        assert all(before != after for before, after in pairwise(generations))
