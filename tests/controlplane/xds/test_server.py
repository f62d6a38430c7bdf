"""The server over real gRPC: both variants, single-type services, refusals, and what is reported to the feed."""

import asyncio
import gc
import logging

import grpc
import pytest

from mirrorplane.api.resource import CLUSTER, ENDPOINT, LISTENER
from mirrorplane.controlplane.grpc_server.server import TransportLimits
from mirrorplane.controlplane.xds.requests import DeltaRequest
from mirrorplane.controlplane.xds.status import MAX_TEXT
from tests.controlplane.xds.grpc_peers import ADS, NODE_ID, Peer, TableFeed, XdsServer
from tests.controlplane.xds.resource_worlds import SMALL, Item, having

SOTW_ADS, DELTA_ADS = f"{ADS}/StreamAggregatedResources", f"{ADS}/DeltaAggregatedResources"


async def until(true) -> None:
    """Wait until something holds; ten seconds are for ever here."""
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0.005)


async def test_a_sotw_proxy_gets_everything_and_then_what_changes(feed: TableFeed, channel) -> None:
    peer = Peer(channel, SOTW_ADS, delta=False)
    await peer.send(CLUSTER)
    response = await peer.read()
    await peer.send(CLUSTER, version_info=response.version_info, response_nonce=response.nonce)
    await peer.send(ENDPOINT, resource_names=["e1"])
    endpoints = await peer.read()
    await until(lambda: feed.acks)
    feed.publish(having(SMALL, CLUSTER, c3=Item()))
    second = await peer.read()

    assert (len(response.resources), len(endpoints.resources), len(second.resources)) == (2, 1, 3)
    assert feed.acks == [(NODE_ID, CLUSTER, response.version_info)]


async def test_a_delta_proxy_gets_everything_and_then_what_changes(feed: TableFeed, channel) -> None:
    peer = Peer(channel, DELTA_ADS, delta=True)
    await peer.send(CLUSTER)
    response = await peer.read()
    await peer.send(CLUSTER, response_nonce=response.nonce)
    await until(lambda: feed.acks)
    feed.publish(having(SMALL, CLUSTER, c3=Item()))
    second = await peer.read()

    assert [entry.name for entry in response.resources] == ["c1", "c2"]
    assert [entry.name for entry in second.resources] == ["c3"]


@pytest.mark.parametrize(
    ("method", "delta"),
    [
        ("/envoy.service.listener.v3.ListenerDiscoveryService/StreamListeners", False),
        ("/envoy.service.listener.v3.ListenerDiscoveryService/DeltaListeners", True),
    ],
)
async def test_a_single_type_stream_need_not_say_its_type(channel, method: str, delta: bool) -> None:
    peer = Peer(channel, method, delta=delta)
    await peer.send()
    response = await peer.read()

    assert (response.type_url, len(response.resources)) == (LISTENER, 1)


async def test_a_single_type_stream_speaks_of_its_type_only(channel) -> None:
    peer = Peer(channel, "/envoy.service.cluster.v3.ClusterDiscoveryService/StreamClusters", delta=False)
    await peer.send(ENDPOINT)

    await refused(peer, "on a stream of")


async def test_an_aggregated_stream_must_say_its_types(channel) -> None:
    peer = Peer(channel, SOTW_ADS, delta=False)
    await peer.send()

    await refused(peer, "type_url is missing")


async def test_a_node_id_of_another_form_is_refused_with_the_sentence(channel) -> None:
    peer = Peer(channel, SOTW_ADS, delta=False, node_id="envoy-1")
    await peer.send(CLUSTER)

    await refused(peer, "node id 'envoy-1': want role~ip~name.namespace~namespace.svc.domain")


async def test_a_stream_without_a_node_is_refused(channel) -> None:
    peer = Peer(channel, DELTA_ADS, delta=True, node_id=None)
    await peer.send(CLUSTER)

    await refused(peer, "must carry a node")


async def test_bytes_that_are_no_request_are_refused(channel) -> None:
    call = channel.stream_stream(SOTW_ADS)()
    await call.write(b"\xff\xff\xff")

    await ended(call, grpc.StatusCode.INVALID_ARGUMENT, "not a DiscoveryRequest")


async def test_a_message_over_the_limit_is_refused_unread(channel) -> None:
    call = channel.stream_stream(SOTW_ADS)()
    await call.write(bytes(TransportLimits().max_receive + 1))

    await ended(call, grpc.StatusCode.RESOURCE_EXHAUSTED, "larger than max")


async def test_a_nack_reaches_the_feed_and_the_log(feed: TableFeed, channel, caplog) -> None:
    caplog.set_level(logging.WARNING, "mirrorplane.controlplane.xds")
    peer = Peer(channel, DELTA_ADS, delta=True)
    await peer.send(CLUSTER)
    response = await peer.read()
    await peer.send(CLUSTER, response_nonce=response.nonce, error="no such\nfilter")
    await until(lambda: feed.rejections)

    [rejection] = feed.rejections
    assert (rejection.proxy_id, rejection.type_url, rejection.names) == (NODE_ID, CLUSTER, ("c1", "c2"))
    assert rejection.message == "no such\nfilter"
    assert [record.getMessage().count("\n") for record in caplog.records] == [0]


async def test_a_feed_hears_of_every_push_with_its_type_and_size(feed: TableFeed, channel) -> None:
    peer = Peer(channel, SOTW_ADS, delta=False)
    await peer.send(CLUSTER)
    clusters = await peer.read()
    await peer.send(ENDPOINT, resource_names=["e1", "e2"])
    endpoints = await peer.read()
    await peer.send("type.googleapis.com/envoy.service.runtime.v3.Runtime", resource_names=["r"])
    await peer.send(CLUSTER, version_info=clusters.version_info, response_nonce=clusters.nonce)
    await until(lambda: feed.acks)

    assert feed.pushes[:2] == [(CLUSTER, clusters.ByteSize()), (ENDPOINT, endpoints.ByteSize())]


@pytest.mark.parametrize("served", [True, False])
async def test_a_response_without_resources_tells_its_type_too(feed: TableFeed, channel, served: bool) -> None:
    feed.publish({})
    peer = Peer(channel, DELTA_ADS, delta=True)
    type_url = CLUSTER if served else "type.googleapis.com/envoy.service.runtime.v3.Runtime"
    await peer.send(type_url)
    response = await peer.read()
    await until(lambda: feed.pushes)

    assert feed.pushes == [(type_url, response.ByteSize())]


async def test_a_feed_is_notified_when_a_proxy_has_answered_everything(feed: TableFeed, channel) -> None:
    peer = Peer(channel, DELTA_ADS, delta=True)
    await peer.send(CLUSTER)
    clusters = await peer.read()
    await peer.send(ENDPOINT, resource_names_subscribe=["e1"])
    endpoints = await peer.read()
    before = feed.settlings
    await peer.send(CLUSTER, response_nonce=clusters.nonce)
    await until(lambda: feed.acks)
    await peer.send(ENDPOINT, response_nonce=endpoints.nonce, error="no")
    await until(lambda: feed.settlings > before)

    assert [ack[1] for ack in feed.acks] == [CLUSTER]
    assert [rejection.type_url for rejection in feed.rejections] == [ENDPOINT]


async def test_a_change_that_does_not_concern_a_proxy_is_settled_at_once(feed: TableFeed, channel) -> None:
    peer = Peer(channel, DELTA_ADS, delta=True)
    await peer.send(CLUSTER)
    response = await peer.read()
    await peer.send(CLUSTER, response_nonce=response.nonce)
    await until(lambda: feed.acks)
    before = feed.settlings
    feed.publish(having(SMALL, ENDPOINT, e9=Item()))
    await until(lambda: feed.settlings > before)

    assert len(feed.pushes) == 1


async def test_a_long_complaint_of_a_proxy_is_cut_short(server: XdsServer, feed: TableFeed, channel) -> None:
    peer = Peer(channel, DELTA_ADS, delta=True)
    await peer.send(CLUSTER)
    response = await peer.read()
    await peer.send(CLUSTER, response_nonce=response.nonce, error="x" * 100_000)
    await until(lambda: feed.rejections)

    assert len(feed.rejections[0].message) == MAX_TEXT
    assert len(server.streams()[0].types[0].nack) == MAX_TEXT


async def test_the_status_tells_how_far_a_stream_is(server: XdsServer, feed: TableFeed, channel) -> None:
    peer = Peer(channel, SOTW_ADS, delta=False)
    await peer.send(ENDPOINT, resource_names=["e1", "e2"])
    response = await peer.read()
    [before] = server.streams()
    await peer.send(ENDPOINT, resource_names=["e1", "e2"], response_nonce=response.nonce)
    await until(lambda: feed.acks)
    [after] = server.streams()

    assert (before.proxy.name, before.variant) == ("sleep", "sotw")
    assert (before.types[0].subscribed, before.types[0].in_flight, before.types[0].acked) == (2, True, "")
    assert (before.types[0].state, after.types[0].state) == ("STALE", "SYNCED")
    assert (after.types[0].in_flight, after.types[0].acked) == (False, response.version_info)


async def test_the_first_request_of_a_stream_which_may_name_thousands_is_not_kept(feed: TableFeed, channel) -> None:
    peer = Peer(channel, DELTA_ADS, delta=True)
    versions = {f"gone-{number}": "1" for number in range(1000)}
    await peer.send(CLUSTER, initial_resource_versions=versions)
    await peer.read()
    alive = [item for item in gc.get_objects() if isinstance(item, DeltaRequest) and len(item.initial) == len(versions)]
    assert not alive


async def test_a_proxy_that_leaves_is_detached(server: XdsServer, feed: TableFeed, channel) -> None:
    peer = Peer(channel, SOTW_ADS, delta=False)
    await peer.send(CLUSTER)
    await peer.read()
    peer.call.cancel()
    await until(lambda: not feed.offers)

    await until(lambda: not server.streams())


async def test_a_proxy_that_half_closes_ends_its_stream(feed: TableFeed, channel) -> None:
    peer = Peer(channel, SOTW_ADS, delta=False)
    await peer.send(CLUSTER)
    await peer.read()
    await peer.call.done_writing()

    assert await peer.call.code() is grpc.StatusCode.OK
    assert not feed.offers


async def test_a_stop_ends_the_streams_so_that_proxies_go_elsewhere(feed: TableFeed) -> None:
    server = XdsServer(feed, "127.0.0.1:0")
    port = await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        peer = Peer(channel, SOTW_ADS, delta=False)
        await peer.send(CLUSTER)
        await peer.read()
        await server.stop(grace=30.0)

        assert await peer.call.code() is grpc.StatusCode.OK


async def test_a_taken_port_is_an_error(server: XdsServer, feed: TableFeed) -> None:
    with pytest.raises(RuntimeError):
        await XdsServer(feed, f"127.0.0.1:{server.port}").start()


async def test_two_servers_may_share_a_port_by_an_option(feed: TableFeed) -> None:
    response = XdsServer(feed, "127.0.0.1:0", reuse_port=True)
    port = await response.start()
    second = XdsServer(feed, f"127.0.0.1:{port}", reuse_port=True)

    assert await second.start() == port
    await response.stop(0)
    await second.stop(0)


async def test_a_proxy_that_does_not_read_holds_back_only_itself(feed: TableFeed, server: XdsServer, channel) -> None:
    idle = Peer(channel, DELTA_ADS, delta=True)
    await idle.send(CLUSTER)
    peer = Peer(channel, DELTA_ADS, delta=True)
    await peer.send(CLUSTER)
    response = await peer.read()
    await peer.send(CLUSTER, response_nonce=response.nonce)
    await until(lambda: feed.acks)
    feed.publish(having(SMALL, CLUSTER, c3=Item()))

    assert [entry.name for entry in (await peer.read()).resources] == ["c3"]


async def refused(peer: Peer, sentence: str) -> None:
    await ended(peer.call, grpc.StatusCode.INVALID_ARGUMENT, sentence)


async def ended(call: grpc.aio.StreamStreamCall, code: grpc.StatusCode, sentence: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert (caught.value.code(), sentence in caught.value.details()) == (code, True)


@pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])
async def test_the_log_says_why_a_stream_ended(channel, server: XdsServer, caplog, delta: bool) -> None:
    caplog.set_level(logging.INFO)

    def reasons() -> list[str]:
        records = [record for record in caplog.records if record.getMessage().startswith("disconnected: ")]
        assert all(record.fields["proxy"] == NODE_ID for record in records)
        return [record.fields["reason"] for record in records]

    async def connected() -> Peer:
        peer = Peer(channel, DELTA_ADS if delta else SOTW_ADS, delta=delta)
        await peer.send(CLUSTER)
        await peer.read()
        return peer

    ended, lost, confused, served = [await connected() for _ in range(4)]
    await ended.call.done_writing()
    await until(lambda: len(reasons()) == 1)
    lost.call.cancel()
    await until(lambda: len(reasons()) == 2)
    await confused.send()
    await until(lambda: len(reasons()) == 3)
    assert served is not None
    await server.stop(0)
    await until(lambda: len(reasons()) == 4)
    ended_reason, lost_reason, confused_reason, stopped_reason = reasons()
    assert ended_reason == lost_reason == "the proxy closed the stream, or its connection was lost"
    assert confused_reason.startswith("type_url is missing")
    assert stopped_reason == "the control plane is stopping"
