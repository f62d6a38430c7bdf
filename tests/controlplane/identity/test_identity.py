"""Every method of every service of a secured server: only who has proved to be of a namespace may claim it."""

import asyncio
import importlib
import logging
import pkgutil
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import envoy.service
import grpc
import pytest
import trustme
from envoy.service.discovery.v3 import discovery_pb2

from mirrorplane.api.resource import CLUSTER
from mirrorplane.controlplane.identity.authoriser import Authoriser, Security
from mirrorplane.controlplane.identity.caller import Caller, UnauthenticatedError
from mirrorplane.controlplane.identity.certificates import TlsFiles
from mirrorplane.controlplane.identity.tokens import TokenRules
from mirrorplane.controlplane.xds.services import StreamKind, stream_kinds
from tests.controlplane.identity.issuers import SLEEP, Authority, Signer
from tests.controlplane.xds.grpc_peers import TableFeed, XdsServer
from tests.controlplane.xds.resource_worlds import SMALL

KINDS = list(stream_kinds())
HERE = "sidecar~10.0.0.7~sleep.default~default.svc.cluster.local"
ELSEWHERE = "sidecar~10.0.0.7~sleep.other~other.svc.cluster.local"
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.method)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return Signer(tmp_path)


@asynccontextmanager
async def serving(security: Security, **options) -> AsyncIterator[XdsServer]:
    server = XdsServer(TableFeed(SMALL), security=security, **options)
    await server.start()
    try:
        yield server
    finally:
        await server.stop(grace=1.0)


@pytest.fixture
async def mutual(authority: Authority) -> AsyncIterator[XdsServer]:
    tls = TlsFiles(authority.cert, authority.key, authority.ca_file)
    async with serving(Security(tls, trust_domain="cluster.local")) as server:
        yield server


@pytest.fixture
async def tokened(authority: Authority, signer: Signer) -> AsyncIterator[XdsServer]:
    rules = TokenRules(signer.file, issuer="https://issuer")
    async with serving(Security(TlsFiles(authority.cert, authority.key), rules)) as server:
        yield server


def first_message(kind: StreamKind, node: str, namespace: str = "") -> bytes:
    """The first request of a stream; `namespace` is what the node's metadata claims as its namespace."""
    request_type = discovery_pb2.DeltaDiscoveryRequest if kind.delta else discovery_pb2.DiscoveryRequest
    request = request_type(type_url=kind.type_url or CLUSTER)
    request.node.id = node
    if namespace:
        request.node.metadata["NAMESPACE"] = namespace
    return request.SerializeToString()


def stream(channel: grpc.aio.Channel, kind: StreamKind, token: str | None = None) -> grpc.aio.StreamStreamCall:
    metadata = [("authorization", f"Bearer {token}")] if token is not None else []
    return channel.stream_stream(f"/{kind.service}/{kind.method}")(metadata=metadata)


async def status(server: XdsServer, call: grpc.aio.StreamStreamCall, *messages: bytes) -> str:
    """What a stream comes to: "served" once its first request has been taken, or the status that it ends with."""
    before = len([s for s in server.streams() if s.types])
    async with asyncio.timeout(60):
        with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            for message in messages:
                await call.write(message)
        while not call.done():
            if len([s for s in server.streams() if s.types]) > before:
                return "served"
            await asyncio.sleep(0.005)
        return (await call.code()).name


async def outcome_of(server: XdsServer, channel, kind: StreamKind, message: bytes, token: str | None = None) -> str:
    """What a new stream comes to. To grpc.aio, a write that a refusal overtakes is INTERNAL, whatever was said."""
    for _ in range(20):
        outcome = await status(server, stream(channel, kind, token), message)
        if outcome != "INTERNAL":
            break
    return outcome


@asynccontextmanager
async def connected(server: XdsServer, credentials) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.secure_channel(f"localhost:{server.port}", credentials) as channel:
        yield channel


def plaintext(server: XdsServer) -> grpc.aio.Channel:
    return grpc.aio.insecure_channel(f"127.0.0.1:{server.port}")


@every_kind
async def test_a_certificate_of_the_namespace_is_served(mutual: XdsServer, authority: Authority, kind: StreamKind):
    async with connected(mutual, authority.channel_credentials(SLEEP)) as channel:
        assert await outcome_of(mutual, channel, kind, first_message(kind, HERE)) == "served"
        assert [s.proxy.identity for s in mutual.streams()] == [SLEEP]


@every_kind
@pytest.mark.parametrize(
    ("names", "node", "namespace", "outcome"),
    [
        ([], HERE, "", "UNAVAILABLE"),
        (["sleep.default"], HERE, "", "UNAUTHENTICATED"),
        (["spiffe://cluster.local/ns/default"], HERE, "", "UNAUTHENTICATED"),
        (["https://cluster.local/ns/default/sa/sleep"], HERE, "", "UNAUTHENTICATED"),
        ([SLEEP, "spiffe://cluster.local/ns/other/sa/sleep"], HERE, "", "UNAUTHENTICATED"),
        (["spiffe://elsewhere/ns/default/sa/sleep"], HERE, "", "PERMISSION_DENIED"),
        ([SLEEP], ELSEWHERE, "", "PERMISSION_DENIED"),
        ([SLEEP], HERE, "other", "PERMISSION_DENIED"),
    ],
    ids=["none", "dns", "half", "https", "two", "trust-domain", "node-id", "metadata"],
)
async def test_no_other_certificate_is_served(
    mutual, authority, kind: StreamKind, names, node, namespace: str, outcome: str
):
    async with connected(mutual, authority.channel_credentials(*names)) as channel:
        assert await outcome_of(mutual, channel, kind, first_message(kind, node, namespace)) == outcome


@every_kind
async def test_a_node_that_names_two_namespaces_is_served_the_proved_one(
    mutual, authority: Authority, kind: StreamKind
):
    async with connected(mutual, authority.channel_credentials(SLEEP)) as channel:
        assert await outcome_of(mutual, channel, kind, first_message(kind, ELSEWHERE, "default")) == "served"
        assert [s.proxy.id for s in mutual.streams()] == [HERE]


@pytest.mark.parametrize("flaw", ["expired", "of another authority"])
async def test_a_certificate_that_does_not_hold_gets_no_connection(mutual, authority: Authority, flaw: str):
    how = {"lives_s": -60} if flaw == "expired" else {"issuer": trustme.CA()}
    async with connected(mutual, authority.channel_credentials(SLEEP, **how)) as channel:
        assert await outcome_of(mutual, channel, KINDS[0], first_message(KINDS[0], HERE)) == "UNAVAILABLE"
    assert mutual.grpc_server.tls_state().handshakes > 0, "handshakes that fail are counted too"


@every_kind
async def test_a_token_of_the_namespace_is_served(tokened, authority, signer: Signer, kind: StreamKind):
    async with connected(tokened, authority.channel_credentials()) as channel:
        assert await outcome_of(tokened, channel, kind, first_message(kind, HERE), signer.token()) == "served"
        assert [s.proxy.identity for s in tokened.streams()] == [SLEEP]


@every_kind
async def test_no_other_token_is_served(
    tokened: XdsServer, authority: Authority, signer: Signer, kind: StreamKind, caplog
):
    wrong = {
        "another audience": signer.token(aud=["istiod"]),
        "no audience": signer.token(aud=None),
        "another issuer": signer.token(iss="https://other"),
        "expired": signer.token(exp=time.time() - 60),
        "for ever": signer.token(exp=None),
        "nobody": signer.token(sub="admin"),
        "two namespaces": signer.token(**{"kubernetes.io": {"namespace": "other"}}),
        **signer.forged(),
    }
    async with connected(tokened, authority.channel_credentials()) as channel:
        for flaw, token in wrong.items():
            outcome = await outcome_of(tokened, channel, kind, first_message(kind, HERE), token)
            assert (flaw, outcome) == (flaw, "UNAUTHENTICATED")
        assert await outcome_of(tokened, channel, kind, first_message(kind, HERE)) == "UNAUTHENTICATED"
        for node, namespace in ((ELSEWHERE, ""), (HERE, "other")):
            outcome = await outcome_of(tokened, channel, kind, first_message(kind, node, namespace), signer.token())
            assert outcome == "PERMISSION_DENIED"
    assert not [token for token in wrong.values() if token in caplog.text and len(token) > 10], "tokens are secrets"


async def test_nothing_is_registered_but_the_methods_of_the_table(mutual: XdsServer, authority: Authority):
    served = {f"/{kind.service}/{kind.method}" for kind in KINDS}
    api_methods = set(methods_of_envoys_api())
    assert served < api_methods
    more_methods = {"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "/grpc.health.v1.Health/Check"}
    async with connected(mutual, authority.channel_credentials(SLEEP)) as channel:
        for name in sorted(api_methods - served | more_methods):
            assert (name, await status(mutual, channel.stream_stream(name)())) == (name, "UNIMPLEMENTED")


def methods_of_envoys_api() -> Iterator[str]:
    """Every method of every service, Fetch and the old versions among them."""
    for module in pkgutil.walk_packages(envoy.service.__path__, "envoy.service."):
        if module.name.endswith("_pb2"):
            for service in importlib.import_module(module.name).DESCRIPTOR.services_by_name.values():
                yield from (f"/{service.full_name}/{method.name}" for method in service.methods)


async def test_a_plaintext_client_gets_nothing_from_a_secured_server(mutual: XdsServer):
    async with plaintext(mutual) as channel:
        assert await outcome_of(mutual, channel, KINDS[0], first_message(KINDS[0], HERE)) == "UNAVAILABLE"


@every_kind
async def test_credentials_that_expire_end_the_stream_at_the_next_message(tokened, authority, signer, kind: StreamKind):
    clock = [time.time()]
    tokened.authoriser._now = lambda: clock[0]
    async with connected(tokened, authority.channel_credentials()) as channel:
        call = stream(channel, kind, signer.token())
        assert await status(tokened, call, first_message(kind, HERE)) == "served"
        clock[0] += 3600
        await call.write(first_message(kind, HERE))
        async with asyncio.timeout(60):
            with suppress(grpc.aio.AioRpcError):
                while await call.read() is not grpc.aio.EOF:
                    pass
            assert await call.code() is grpc.StatusCode.UNAUTHENTICATED
            assert "have expired" in await call.details()


def test_expired_credentials_are_not_confirmed():
    authoriser = Authoriser(now=lambda: 100.0)
    authoriser.confirm(Caller("d", "ns", "sa", expires=100.5))
    with pytest.raises(UnauthenticatedError, match="have expired"):
        authoriser.confirm(Caller("d", "ns", "sa", expires=100.0))


async def test_a_stream_without_a_first_message_is_ended():
    async with serving(Security(), first_message=0.05) as server, plaintext(server) as channel:
        async with asyncio.timeout(60):
            outcome = ""
            while outcome != "served":  # on a busy machine its first message may be late, too
                served = stream(channel, KINDS[0])
                outcome = await status(server, served, first_message(KINDS[0], HERE))
            for kind in KINDS:
                call = channel.stream_stream(f"/{kind.service}/{kind.method}")()
                assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
                assert "no message within" in await call.details()
        assert len(server.streams()) == 1, "only the first message is waited for"


async def test_a_connection_that_never_shakes_hands_is_closed(authority: Authority):
    async with serving(tls_only(authority), first_message=0.05) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        async with asyncio.timeout(60):
            assert await reader.read() == b""
        writer.close()


def tls_only(authority: Authority) -> Security:
    return Security(TlsFiles(authority.cert, authority.key))


async def serial(server: XdsServer) -> str:
    """The serial number of the certificate that a new connection is shown."""
    lax = ssl.create_default_context()
    lax.check_hostname, lax.verify_mode = False, ssl.CERT_NONE
    lax.set_alpn_protocols(["h2"])
    _, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=lax)
    outcome = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return outcome.hex()


@pytest.mark.parametrize("broken", ["garbage", "another key", "gone"])
async def test_new_files_serve_new_connections_and_broken_ones_change_nothing(
    authority: Authority, broken: str, caplog: pytest.LogCaptureFixture
):
    async with serving(tls_only(authority)) as server, connected(server, authority.channel_credentials()) as channel:
        call = stream(channel, KINDS[0])
        assert await status(server, call, first_message(KINDS[0], HERE)) == "served"
        before = await serial(server)
        authority.issue_server()
        after = await serial(server)
        assert after != before

        spoil: dict[str, Callable[[], object]] = {
            "garbage": lambda: authority.cert.write_text("nonsense"),
            "another key": lambda: authority.key.write_bytes(trustme.CA().private_key_pem.bytes()),
            "gone": authority.key.unlink,
        }
        with caplog.at_level(logging.ERROR):
            spoil[broken]()
            assert await serial(server) == after
            assert await serial(server) == after
        assert len([r for r in caplog.records if "stays in use" in r.message]) == 1
        assert str(authority.folder) in caplog.text
        authority.issue_server()
        assert await serial(server) not in {before, after}
        assert len(server.streams()) == 1, "a stream that is open goes on"


async def test_keys_of_tokens_follow_their_file_and_a_broken_one_keeps_the_last(tokened, authority, signer: Signer):
    kind = KINDS[0]

    async def outcome(token: str) -> str:
        async with connected(tokened, authority.channel_credentials()) as channel:
            return await outcome_of(tokened, channel, kind, first_message(kind, HERE), token)

    old = signer.token()
    signer.file.write_text("{")
    assert await outcome(old) == "served"
    successor = Signer(signer.file.parent, "k2")
    successor.file = signer.file
    successor.publish()
    assert await outcome(old) == "UNAUTHENTICATED"
    assert await outcome(successor.token()) == "served"
