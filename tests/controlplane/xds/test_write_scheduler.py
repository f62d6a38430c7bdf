"""Writers take turns: in order, all of them, and a cancelled one holds up no other."""

import asyncio
import time

from mirrorplane.controlplane.xds.write_scheduler import WriteScheduler


def busy(seconds: float) -> None:
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


async def writers(turns: WriteScheduler, count: int, seconds: float, done: list[int]) -> list[asyncio.Task[None]]:
    async def write(number: int) -> None:
        await turns.wait_turn()
        busy(seconds)
        done.append(number)

    return [asyncio.create_task(write(number)) for number in range(count)]


async def rounds(tasks: list[asyncio.Task[None]]) -> int:
    """Turns of the loop until all are done."""
    count = 0
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0)
        count += 1
    return count


async def test_long_work_of_many_is_spread_over_turns_of_the_loop():
    done: list[int] = []
    assert await rounds(await writers(WriteScheduler(0.001), 10, 0.002, done)) >= 10
    assert done == list(range(10))


async def test_short_work_of_many_shares_turns():
    done: list[int] = []
    assert await rounds(await writers(WriteScheduler(10.0), 1000, 0.0, done)) <= 3
    assert done == list(range(1000))


async def test_a_cancelled_writer_takes_no_turn_from_others():
    done: list[int] = []
    tasks = await writers(WriteScheduler(0.0), 6, 0.0001, done)
    await asyncio.sleep(0)
    for task in tasks[2:4]:
        task.cancel()
    await asyncio.wait(tasks)
    assert done == [0, 1, 4, 5]
