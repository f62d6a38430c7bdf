"""The event hub: who gets what, and that a slow reader costs nothing but its own events."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirrorplane.controlplane.events.events import (
    Event,
    FindingsChanged,
    ProxyAnswered,
    ProxyConnected,
    ProxyEvent,
    ProxyLeft,
    ProxyRejected,
    Published,
    StatusChanged,
)
from mirrorplane.controlplane.events.hub import Events


async def test_a_reader_gets_the_events_of_its_types_in_order():
    events = Events()
    with events.subscribe(Published, ProxyEvent) as queue, events.subscribe() as everything:
        for event in (ProxyConnected("a", "delta"), FindingsChanged(1), Published(1, 2), ProxyAnswered("a")):
            events.publish(event)
        assert await queue.take() == [ProxyConnected("a", "delta"), Published(1, 2), ProxyAnswered("a")]
        assert len(await everything.take()) == 4


async def test_pending_events_about_one_subject_are_merged_into_the_newest():
    events = Events()
    with events.subscribe() as queue:
        for version in range(1000):
            events.publish(Published(version, 1))
            events.publish(StatusChanged("Gateway default/edge"))
        events.publish(StatusChanged("Gateway default/other"))
        assert await queue.take() == [
            Published(999, 1),
            StatusChanged("Gateway default/edge"),
            StatusChanged("Gateway default/other"),
        ]
        assert queue.missed == 0


async def test_a_rejection_is_not_merged_with_answers_or_with_other_types():
    events = Events()
    with events.subscribe() as queue:
        published = [ProxyRejected("a", "Cluster"), ProxyRejected("a", "Listener"), ProxyAnswered("a")]
        for event in published:
            events.publish(event)
        assert await queue.take() == published


async def test_a_reader_waits_for_the_next_event():
    events = Events()
    with events.subscribe() as queue:
        reading = asyncio.create_task(queue.take())
        await asyncio.sleep(0)
        assert not reading.done()
        events.publish(ProxyLeft("a"))
        assert await reading == [ProxyLeft("a")]
        assert await queue.take(0.01) == []


async def test_a_closed_reader_gets_nothing_more():
    events = Events()
    with events.subscribe() as queue:
        reading = asyncio.create_task(queue.take())
        await asyncio.sleep(0)
        queue.close()
        assert await reading == []
        events.publish(ProxyLeft("a"))
        assert await queue.take() == []
        assert queue.closed


async def test_nothing_is_kept_for_a_reader_that_left():
    events = Events()
    with events.subscribe() as queue:
        pass
    events.publish(ProxyLeft("a"))
    assert await queue.take(0.01) == []


@pytest.mark.parametrize("capacity", [1, 5])
@given(st.lists(st.integers(0, 20), max_size=60))
def test_a_queue_is_bounded_and_holds_the_newest(capacity: int, proxies: list[int]):
    published: list[Event] = [ProxyAnswered(str(proxy)) for proxy in proxies]

    async def read() -> None:
        events = Events()
        with events.subscribe(capacity=capacity) as queue:
            for event in published:
                events.publish(event)
            pending = await queue.take(0)
        newest = list(dict.fromkeys(reversed(published)))[:capacity][::-1]
        assert pending == newest
        assert queue.missed <= len(published)

    asyncio.run(read())
