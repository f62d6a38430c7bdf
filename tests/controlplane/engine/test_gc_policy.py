"""Memory goes back to the system when proxies came or went, and at no other time."""

import asyncio

from mirrorplane.controlplane.engine import gc_policy


async def test_memory_is_given_back_when_the_number_of_proxies_is_another_one(monkeypatch):
    given, connected, looked = [], [0, 0, 5, 5, 3], []

    def count() -> int:
        looked.append(connected[min(len(looked), 4)])
        return looked[-1]

    monkeypatch.setattr(gc_policy, "give_back", lambda: given.append(len(looked)))
    tidying = asyncio.create_task(gc_policy.tidy(count, every=0))
    while len(looked) < 8:
        await asyncio.sleep(0.001)
    tidying.cancel()
    assert given == [3, 5]


def test_giving_back_leaves_what_is_in_use_alone():
    held = [bytes([number]) * 5000 for number in range(200)]
    del held[::2]
    gc_policy.give_back()
    assert all(block == bytes([2 * number + 1]) * 5000 for number, block in enumerate(held))


def test_a_c_library_that_cannot_be_asked_is_left_alone(monkeypatch):
    monkeypatch.setattr(gc_policy.ctypes, "CDLL", lambda _: object())
    gc_policy.give_back()
