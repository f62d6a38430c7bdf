"""TLS passthrough by server name, and TCP by rules, through a real Envoy."""

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import trustme

from mirrorplane.controlplane.playground.manifests import local_pod, service
from mirrorplane.controlplane.playground.stage import Stage
from tests import fast_yaml as yaml
from tests.e2e.support.manifests import NO_ACCESS_LOG, join_manifests, nack_messages
from tests.e2e.support.sidecars import Sidecar, sidecar

pytestmark = pytest.mark.envoy

TLS, TCP = 18443, 18700
AUTHORITY = trustme.CA()
NAMES = ("one", "two", "three")


@pytest.fixture
async def mesh(stage: Stage) -> AsyncIterator[Sidecar]:
    """Three services, each with a port for TLS and one for TCP, all of the same numbers."""
    async with AsyncExitStack() as stack:
        manifests = [NO_ACCESS_LOG]
        for name in NAMES:
            secure = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            AUTHORITY.issue_cert(*(f"{n}.example.com" for n in NAMES), name).configure_cert(secure)
            for kind, port, context in (("tls", TLS, secure), ("tcp", TCP, None)):
                server = await asyncio.start_server(greeting(name), "127.0.0.1", 0, ssl=context)
                await stack.enter_async_context(server)
                number = server.sockets[0].getsockname()[1]
                host = f"{name}-{kind}"
                manifests += [service(host, port, kind), local_pod(host, host, {"app": host}, number, kind)]
        await stage.apply(join_manifests(*manifests))
        yield await sidecar(stage, TLS, TCP)
        assert not nack_messages(stage)


def greeting(name: str):
    """A server that speaks first."""

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(name.encode())
        await writer.drain()
        writer.close()

    return greet


async def connect(mesh: Sidecar, port: int, name: str = "") -> str:
    """Connect, over TLS if a server name is given; return the server's greeting."""
    context = None
    if name:
        context = ssl.create_default_context()
        AUTHORITY.configure_trust(context)
        context.check_hostname = False
    reader, writer = await asyncio.open_connection(mesh.address, port, ssl=context, server_hostname=name or None)
    greeting_bytes = await asyncio.wait_for(reader.read(), 60)
    writer.close()
    return greeting_bytes.decode()


def rules(host: str, **spec: object) -> str:
    manifest = {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": host}}
    return yaml.safe_dump({**manifest, "spec": {"hosts": [f"{host}.default.svc.cluster.local"], **spec}})


def weighted_route(*shares: tuple[str, int]) -> list[dict[str, object]]:
    return [{"destination": {"host": host}, "weight": weight} for host, weight in shares]


async def test_services_that_share_a_port_are_routed_by_server_name(mesh: Sidecar):
    for name in NAMES:
        assert await connect(mesh, TLS, f"{name}-tls.default.svc.cluster.local") == name
        assert await connect(mesh, TLS, f"{name}-tls") == name


async def test_a_tls_rule_reroutes_and_splits_a_server_name(mesh: Sidecar, stage: Stage):
    full = "one-tls.default.svc.cluster.local"
    rule = {
        "match": [{"port": TLS, "sniHosts": [full]}],
        "route": weighted_route(("two-tls", 1), ("three-tls", 1), ("one-tls", 0)),
    }
    await stage.apply(rules("one-tls", tls=[rule]))
    counts = Counter([await connect(mesh, TLS, full) for _ in range(60)])
    assert counts.keys() == {"two", "three"}
    assert await connect(mesh, TLS, "two-tls.default.svc.cluster.local") == "two"


async def test_a_tcp_rule_with_source_labels_applies_to_those_clients_only(mesh: Sidecar, stage: Stage):
    # Without interception the oldest service has the port; of the same age, the first by name.
    assert await connect(mesh, TCP) == "one"
    other_clients = {"match": [{"sourceLabels": {"app": "nobody"}}], "route": weighted_route(("three-tcp", 1))}
    await stage.apply(rules("one-tcp", tcp=[other_clients, {"route": weighted_route(("two-tcp", 1))}]))
    assert await connect(mesh, TCP) == "two"
