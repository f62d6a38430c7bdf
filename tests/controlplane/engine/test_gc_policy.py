"""Memory returns to the system when proxies connected or disconnected, and at no other time."""

import asyncio

from mirrorplane.controlplane.engine import gc_policy


async def test_memory_is_trimmed_when_the_number_of_proxies_changes(monkeypatch):
    trimmed, connected, counts = [], [0, 0, 5, 5, 3], []

    def count() -> int:
        counts.append(connected[min(len(counts), 4)])
        return counts[-1]

    monkeypatch.setattr(gc_policy, "trim_memory", lambda: trimmed.append(len(counts)))
    trimming = asyncio.create_task(gc_policy.trim_memory_periodically(count, every=0))
    while len(counts) < 8:
        await asyncio.sleep(0.001)
    trimming.cancel()
    assert trimmed == [3, 5]


def test_trimming_leaves_memory_in_use_alone():
    blocks = [bytes([number]) * 5000 for number in range(200)]
    del blocks[::2]
    gc_policy.trim_memory()
    assert all(block == bytes([2 * number + 1]) * 5000 for number, block in enumerate(blocks))


def test_a_c_library_without_malloc_trim_is_left_alone(monkeypatch):
    monkeypatch.setattr(gc_policy.ctypes, "CDLL", lambda _: object())
    gc_policy.trim_memory()
