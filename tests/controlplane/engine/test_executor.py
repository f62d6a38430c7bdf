"""Long work in slices: other tasks go on, and work is done in order and once, whoever waits or leaves."""

import asyncio

import pytest

from mirrorplane.controlplane.engine.executor import CooperativeExecutor


def steps(executor: CooperativeExecutor, done: list[str], name: str, count: int = 3):
    """Work that records each of its steps, and could pause after each."""

    def work() -> str:
        for i in range(count):
            done.append(f"{name}{i}")
            executor.checkpoint()
        return name

    return work


async def test_other_tasks_run_between_slices():
    executor, done = CooperativeExecutor(slice_s=0), []

    async def other() -> None:
        for _ in range(3):
            done.append("other")
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    assert await executor.run(steps(executor, done, "a")) == "a"
    await task
    assert done.index("a0") < done.index("other") < done.index("a2")


async def test_work_within_its_slice_is_not_interrupted():
    executor, done = CooperativeExecutor(slice_s=60), []
    task = asyncio.create_task(asyncio.sleep(0))
    executor.schedule(steps(executor, done, "a"))
    assert done == ["a0", "a1", "a2"]
    assert not task.done()
    await task


async def test_work_is_done_one_after_the_other():
    executor, done = CooperativeExecutor(slice_s=0), []
    executor.schedule(steps(executor, done, "a"))
    answers = await asyncio.gather(executor.run(steps(executor, done, "b")), executor.run(steps(executor, done, "c")))
    assert answers == ["b", "c"]
    assert done == [f"{name}{i}" for name in "abc" for i in range(3)]


async def test_a_cancelled_caller_does_not_stop_the_work():
    executor, done = CooperativeExecutor(slice_s=0), []
    task = asyncio.create_task(executor.run(steps(executor, done, "a")))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await executor.run(steps(executor, done, "b"))
    assert done == ["a0", "a1", "a2", "b0", "b1", "b2"]


async def test_an_error_reaches_its_caller_and_no_other_work(caplog):
    executor, done = CooperativeExecutor(slice_s=0), []

    def broken() -> None:
        executor.checkpoint()
        raise ZeroDivisionError("a bug")

    executor.schedule(broken)
    with pytest.raises(ZeroDivisionError):
        await executor.run(broken)
    assert await executor.run(steps(executor, done, "a")) == "a"
    assert "background work failed" in caplog.text


def test_without_an_event_loop_work_is_simply_done():
    executor, done = CooperativeExecutor(slice_s=0), []
    executor.schedule(steps(executor, done, "a"))
    assert done == ["a0", "a1", "a2"]


def test_when_the_loop_ends_work_that_is_half_done_is_unwound():
    executor, done = CooperativeExecutor(slice_s=0), []

    def tidy() -> None:
        try:
            while True:
                executor.checkpoint()
        finally:
            done.append("unwound")

    async def leave() -> None:
        executor.schedule(tidy)

    asyncio.run(leave())
    assert done == ["unwound"]
