"""`/debug/events`: server-sent events of what happens, ended when the server stops."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import grpc
import pytest

from mirrorplane.controlplane.app import App, ServeOptions
from mirrorplane.controlplane.events.events import StatusChanged
from mirrorplane.controlplane.events.hub import CAPACITY
from mirrorplane.controlplane.playground.manifests import service
from mirrorplane.controlplane.settings import Address
from tests.controlplane.xds.grpc_peers import ADS, Peer
from tests.e2e.support.manifests import until

ANY = Address("127.0.0.1", 0)
CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
NODE = "sidecar~10.0.0.1~a.default~default.svc.cluster.local"


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[App]:
    (tmp_path / "web.yaml").write_text(service("web", 80))
    app = App(ServeOptions((tmp_path,), ANY, ANY))
    await app.start()
    following = asyncio.create_task(app.run())
    yield app
    app.stop()
    await following
    await app.close()


async def next_event(content: aiohttp.StreamReader) -> dict:
    """The next event's data; comments are skipped."""
    async with asyncio.timeout(60):
        while not (line := await content.readline()).startswith(b"data: "):
            assert line, "the stream ended"
        return json.loads(line.removeprefix(b"data: "))


async def events_until(content: aiohttp.StreamReader, event_type: str) -> list[dict]:
    events = [await next_event(content)]
    while events[-1]["event"] != event_type:
        events.append(await next_event(content))
    return events


async def test_changes_and_proxies_are_events(app: App, tmp_path: Path):
    url = f"http://127.0.0.1:{app.admin_port}/debug/events"
    async with aiohttp.ClientSession() as client, client.get(url) as response:
        assert response.content_type == "text/event-stream"
        assert await response.content.readline() == b": connected\n"
        (tmp_path / "other.yaml").write_text(service("other", 80))
        published = (await events_until(response.content, "Published"))[-1]
        assert published["version"] == app.plane.published
        async with grpc.aio.insecure_channel(f"127.0.0.1:{app.xds_port}") as channel:
            peer = Peer(channel, f"{ADS}/DeltaAggregatedResources", delta=True, node_id=NODE)
            await peer.send(CLUSTER)
            connected = (await events_until(response.content, "ProxyConnected"))[-1]
            assert connected == {"event": "ProxyConnected", "proxy": NODE, "variant": "delta"}
            answer = await peer.read()
            await peer.send(CLUSTER, response_nonce=answer.nonce, error="no")
            rejected = (await events_until(response.content, "ProxyRejected"))[-1]
            assert rejected["type_url"] == CLUSTER
        assert (await events_until(response.content, "ProxyLeft"))[-1]["proxy"] == NODE


async def test_asking_for_findings_is_no_event(app: App):
    url = f"http://127.0.0.1:{app.admin_port}/debug"
    async with aiohttp.ClientSession() as client, client.get(f"{url}/events") as response:
        await client.get(f"{url}/findings")
        await response.content.readline()
        await response.content.readline()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await response.content.readline()


async def test_streams_end_when_the_server_stops(tmp_path: Path):
    app = App(ServeOptions((tmp_path,), ANY, ANY))
    await app.start()
    url = f"http://127.0.0.1:{app.admin_port}/debug/events"
    async with aiohttp.ClientSession() as client, client.get(url) as response:
        async with asyncio.timeout(60):
            await app.close()
            assert (await response.content.read()).endswith(b"\n\n")


async def test_a_reader_that_stops_reading_does_not_hold_up_the_stop(app: App):
    with socket.create_connection(("127.0.0.1", app.admin_port)) as reader:
        reader.sendall(b"GET /debug/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await until(lambda: app.admin._event_streams._open, "the reader was connected")
        (subscription,) = app.admin._event_streams._open
        for number in range(100 * CAPACITY):  # more than socket buffers hold
            app.plane.events.publish(StatusChanged(f"{number} {'x' * 400}"))
            if number % CAPACITY == 0:
                await asyncio.sleep(0.001)
        assert subscription.missed
        async with asyncio.timeout(30):  # aiohttp would give it a minute
            await app.admin.stop()


async def test_there_is_no_head_of_an_event_stream(app: App):
    url = f"http://127.0.0.1:{app.admin_port}/debug/events"
    async with aiohttp.ClientSession() as client, client.head(url) as response:
        assert response.status == 405


async def test_a_reader_that_leaves_is_forgotten(app: App):
    url = f"http://127.0.0.1:{app.admin_port}/debug/events"
    streams = app.admin._event_streams
    async with aiohttp.ClientSession() as client:
        async with client.get(url) as response:
            await response.content.readline()
            assert len(streams._open) == 1
        await until(lambda: not streams._open, "the reader was forgotten")
