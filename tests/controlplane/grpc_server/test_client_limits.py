"""What one client may take: refused with RESOURCE_EXHAUSTED and a sentence, counted, and no matter to the others."""

import asyncio

import grpc
import pytest

from mirrorplane.api.resource import CLUSTER
from mirrorplane.controlplane.app import App, ServeOptions
from mirrorplane.controlplane.identity.authoriser import Security
from mirrorplane.controlplane.identity.tokens import TokenRules
from mirrorplane.controlplane.playground.manifests import service
from mirrorplane.controlplane.settings import Address, ClientLimits
from tests.controlplane.identity.issuers import Signer
from tests.controlplane.xds.grpc_peers import ADS, Peer

METHOD = f"{ADS}/DeltaAggregatedResources"
ANY = Address("127.0.0.1", 0)
LIMITS = ClientLimits(streams=3, scopes=2, first_message=100_000)


@pytest.fixture
def signer(tmp_path) -> Signer:
    return Signer(tmp_path)


@pytest.fixture
async def app(tmp_path, signer: Signer):
    (tmp_path / "web.yaml").write_text(service("web", 80))
    security = Security(tokens=TokenRules(signer.file), trust_domain="cluster.local")
    app = App(ServeOptions((tmp_path / "web.yaml",), ANY, ANY, security=security, client_limits=LIMITS))
    await app.start()
    yield app
    await app.close()


@pytest.fixture
async def channel(app: App):
    async with grpc.aio.insecure_channel(f"127.0.0.1:{app.xds_port}") as channel:
        yield channel


async def connected(channel: grpc.aio.Channel, token: str, address: str, namespace: str = "default", **request) -> Peer:
    node_id = f"sidecar~{address}~sleep.{namespace}~{namespace}.svc.cluster.local"
    peer = Peer(channel, METHOD, delta=True, node_id=node_id, metadata=[("authorization", f"Bearer {token}")])
    await peer.send(CLUSTER, **request)
    return peer


async def refused(peer: Peer, sentence: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await peer.read()
    assert refusal.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert sentence in refusal.value.details()


async def test_an_identity_has_so_many_scopes_and_no_more_and_others_are_served(app: App, channel, signer, caplog):
    own, other = signer.token(), signer.token("other")
    for address in ("127.0.0.1", "127.0.0.2"):
        assert (await (await connected(channel, own, address)).read()).nonce
    await refused(await connected(channel, own, "127.0.0.3"), "have 2 different configurations, the limit")
    assert (await (await connected(channel, other, "127.0.0.4", "other")).read()).nonce

    assert "refused: ipv4:127.0.0.1" in caplog.text
    assert b'mirrorplane_xds_refused_total{reason="resource_exhausted"} 1.0' in app.metrics.text()


async def test_an_identity_has_so_many_streams_and_may_open_another_when_one_ends(app: App, channel, signer):
    peers = [await connected(channel, signer.token(), "127.0.0.1") for _ in range(3)]
    for peer in peers:
        assert (await peer.read()).nonce
    await refused(await connected(channel, signer.token(), "127.0.0.1"), "has 3 streams open")

    await peers[0].call.done_writing()
    assert await peers[0].call.code() is grpc.StatusCode.OK
    # The client may hear of the end before the server has counted it.
    async with asyncio.timeout(60):
        while not await _served(await connected(channel, signer.token(), "127.0.0.1")):
            await asyncio.sleep(0.01)


async def _served(peer: Peer) -> bool:
    try:
        return bool((await peer.read()).nonce)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
            raise
        return False


async def test_a_first_message_has_a_limit_of_its_own(channel, signer):
    names = [f"outbound|80||service-{number}.default.svc.cluster.local" for number in range(2000)]
    await refused(
        await connected(channel, signer.token(), "127.0.0.1", resource_names_subscribe=names), "--max-first-message"
    )
