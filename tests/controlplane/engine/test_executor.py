"""Long work in slices: other tasks go on, work is done in order and once, whatever waits or goes away."""

import asyncio

import pytest

from mirrorplane.controlplane.engine.executor import CooperativeExecutor


def steps(slices: CooperativeExecutor, said: list[str], name: str, count: int = 3):
    """Work that says each of its steps, and could pause after each."""

    def work() -> str:
        for i in range(count):
            said.append(f"{name}{i}")
            slices.checkpoint()
        return name

    return work


async def test_other_tasks_run_between_slices():
    slices, said = CooperativeExecutor(length=0), []

    async def other() -> None:
        for _ in range(3):
            said.append("other")
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    assert await slices.run(steps(slices, said, "a")) == "a"
    await task
    assert said.index("a0") < said.index("other") < said.index("a2")


async def test_work_within_its_slice_is_not_interrupted():
    slices, said = CooperativeExecutor(length=60), []
    task = asyncio.create_task(asyncio.sleep(0))
    slices.schedule(steps(slices, said, "a"))
    assert said == ["a0", "a1", "a2"]
    assert not task.done()
    await task


async def test_work_is_done_one_after_the_other():
    slices, said = CooperativeExecutor(length=0), []
    slices.schedule(steps(slices, said, "a"))
    answers = await asyncio.gather(slices.run(steps(slices, said, "b")), slices.run(steps(slices, said, "c")))
    assert answers == ["b", "c"]
    assert said == [f"{name}{i}" for name in "abc" for i in range(3)]


async def test_who_stops_waiting_stops_nothing():
    slices, said = CooperativeExecutor(length=0), []
    task = asyncio.create_task(slices.run(steps(slices, said, "a")))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await slices.run(steps(slices, said, "b"))
    assert said == ["a0", "a1", "a2", "b0", "b1", "b2"]


async def test_an_error_reaches_who_waits_and_no_other_work(caplog):
    slices, said = CooperativeExecutor(length=0), []

    def broken() -> None:
        slices.checkpoint()
        raise ZeroDivisionError("a bug")

    slices.schedule(broken)
    with pytest.raises(ZeroDivisionError):
        await slices.run(broken)
    assert await slices.run(steps(slices, said, "a")) == "a"
    assert "work in the background failed" in caplog.text


def test_without_an_event_loop_work_is_simply_done():
    slices, said = CooperativeExecutor(length=0), []
    slices.schedule(steps(slices, said, "a"))
    assert said == ["a0", "a1", "a2"]


def test_when_the_loop_ends_work_that_is_half_done_is_unwound():
    slices, said = CooperativeExecutor(length=0), []

    def tidy() -> None:
        try:
            while True:
                slices.checkpoint()
        finally:
            said.append("unwound")

    async def leave() -> None:
        slices.schedule(tidy)

    asyncio.run(leave())
    assert said == ["unwound"]
