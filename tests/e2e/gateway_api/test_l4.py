"""L4 routes at a real Envoy: TLS by server name, TCP and UDP by weight, missing backends."""

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from mirrorplane.api.kinds.gateway_api.reference_grant import REFERENCE_GRANT
from mirrorplane.api.kinds.gateway_api.tcp_route import TCP_ROUTE
from mirrorplane.api.kinds.gateway_api.tls_route import TLS_ROUTE
from mirrorplane.api.kinds.gateway_api.udp_route import UDP_ROUTE
from mirrorplane.api.meta import Ref
from mirrorplane.controlplane.playground.stage import Stage
from mirrorplane.controlplane.playground.workload import Workload
from tests import fast_yaml as yaml
from tests.controlplane.playground.envoys import delete_object
from tests.e2e.conftest import PROTOCOLS
from tests.e2e.gateway_api.test_gateway import LABELS, edge_gateway, gateway_api_object, services_for
from tests.e2e.support.edge_router import Certificates, Router, router, secured_stage
from tests.e2e.support.manifests import DEADLINE_S, NO_ACCESS_LOG, join_manifests, nack_messages, until

pytestmark = pytest.mark.envoy

PORT, TWICE, PARTLY, FAR = 18443, 18444, 18445, 18446
SESSIONS = 200
RESEND_S = 0.5


class Echo(asyncio.DatagramProtocol):
    """A workload for UDP: answers with its name."""

    def __init__(self, name: str) -> None:
        self._name = name.encode()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, where: tuple[str | Any, int]) -> None:
        self._transport.sendto(self._name, where)


@asynccontextmanager
async def workloads(*names: str, secure: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Workloads that answer with their names over TCP (or TLS) and UDP; yields their Services."""
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        manifests = []
        for name in names:
            server = await asyncio.start_server(greeting(name), "127.0.0.1", 0, ssl=secure)
            await stack.enter_async_context(server)
            tcp = server.sockets[0].getsockname()[1]
            udp, _ = await loop.create_datagram_endpoint(lambda name=name: Echo(name), ("127.0.0.1", 0))
            stack.callback(udp.close)
            manifests.append(services(name, tcp, udp.get_extra_info("sockname")[1]))
        yield join_manifests(*manifests)


def greeting(name: str):
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(name.encode())
        writer.close()

    return greet


def services(name: str, tcp: int, udp: int) -> str:
    """A Service with a port of each protocol, and its endpoints; `far/name` is in namespace far."""
    namespace, _, bare = name.rpartition("/")
    metadata = {"name": bare, "namespace": namespace or "default", "labels": {"kubernetes.io/service-name": bare}}
    ports = [{"name": "tcp", "port": 53, "protocol": "TCP"}, {"name": "udp", "port": 53, "protocol": "UDP"}]
    slice_ports = [{**port, "port": number} for port, number in zip(ports, (tcp, udp), strict=True)]
    manifests: list[object] = [
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": ports}},
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": metadata,
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["127.0.0.1"], "targetRef": {"kind": "Pod", "name": bare}}],
            "ports": slice_ports,
        },
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": {"podIP": "127.0.0.1"}},
    ]
    text: str = yaml.safe_dump_all(manifests)
    return text


def route(kind: str, name: str, sections: Sequence[str], *backends: str, year: int = 2020, **more: Any) -> str:
    """A route to backends `name*weight`, created in a year."""
    refs: list[dict[str, Any]] = []
    for backend in backends:
        target, _, weight = backend.partition("*")
        namespace, _, bare = target.rpartition("/")
        refs.append({"name": bare, "namespace": namespace or "default", "port": 53, "weight": int(weight or 1)})
    parents = [{"name": "edge", "sectionName": section} for section in sections]
    text = gateway_api_object(kind, name, {"parentRefs": parents, "rules": [{"backendRefs": refs}], **more})
    manifest = yaml.safe_load(text)
    manifest["metadata"]["creationTimestamp"] = f"{year}-01-01T00:00:00Z"
    return str(yaml.safe_dump(manifest))


def listeners(protocol: str, *ports: int) -> list[dict[str, Any]]:
    return [{"name": f"{protocol.lower()}-{port}", "port": port, "protocol": protocol} for port in ports]


def grant(kind: str) -> str:
    manifest = yaml.safe_load(
        gateway_api_object(
            "ReferenceGrant",
            kind.lower(),
            {
                "from": [{"group": "gateway.networking.k8s.io", "kind": kind, "namespace": "default"}],
                "to": [{"group": "", "kind": "Service"}],
            },
        )
    )
    manifest["metadata"]["namespace"] = "far"
    return str(yaml.safe_dump(manifest))


async def connect(edge_router: Router, port: int, name: str = "", trusts: ssl.SSLContext | None = None) -> str:
    """Connect, over TLS if a server name is given; return the backend's name, "" if the connection is closed."""
    secure = trusts if name else None
    try:
        reader, writer = await asyncio.open_connection(
            edge_router.address, port, ssl=secure, server_hostname=name or None
        )
        greeting_bytes = await asyncio.wait_for(reader.read(), 60)
        writer.close()
    except (ConnectionError, ssl.SSLEOFError):
        return ""
    return greeting_bytes.decode()


class UdpClient(asyncio.DatagramProtocol):
    """A UDP client: sends datagrams and keeps the last answer."""

    def __init__(self) -> None:
        self.answer = ""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def ask(self) -> None:
        self.answer = ""
        self._transport.sendto(b"who?")

    def datagram_received(self, data: bytes, _: object) -> None:
        self.answer = data.decode()


@asynccontextmanager
async def udp_sessions(edge_router: Router, port: int, count: int = SESSIONS) -> AsyncIterator[list[UdpClient]]:
    """UDP clients on distinct ports, each of which has sent a datagram."""
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        clients = []
        for _ in range(count):
            transport, protocol = await loop.create_datagram_endpoint(
                UdpClient, remote_addr=(edge_router.address, port)
            )
            stack.callback(transport.close)
            protocol.ask()
            clients.append(protocol)
        yield clients


def count_answers(clients: Iterable[UdpClient]) -> Counter[str]:
    return Counter(client.answer for client in clients)


async def answering_backends(edge_router: Router, port: int) -> set[str]:
    return set(await stable_answers(edge_router, port))


async def stable_answers(edge_router: Router, port: int) -> Counter[str]:
    """Count the answers per backend once every client has one; each session keeps its backend."""
    async with udp_sessions(edge_router, port) as clients:
        await _until_answered(clients)
        answers = [client.answer for client in clients]
        for client in clients:
            client.ask()
        await _until_answered(clients)
        assert [client.answer for client in clients] == answers, "a session keeps its backend"
        return count_answers(clients)


async def _until_answered(clients: Sequence[UdpClient]) -> None:
    """Wait until every client has an answer. Datagrams are sent again, since UDP may lose them."""
    clock = asyncio.get_running_loop()
    deadline = clock.time() + DEADLINE_S
    while silent := [client for client in clients if not client.answer]:
        assert clock.time() < deadline, f"{len(silent)} of {len(clients)} datagrams were never answered"
        await asyncio.sleep(RESEND_S)
        for client in silent:
            if not client.answer:
                client.ask()


async def answers_in_time(edge_router: Router, port: int) -> set[str]:
    """The answers ("" for none) that arrive while another port answers all its clients."""
    async with udp_sessions(edge_router, port, 20) as clients:
        await stable_answers(edge_router, TWICE)
        return set(count_answers(clients))


async def eventually(ask: Callable[[], Awaitable[Any]], expected: Any) -> None:
    """Ask until the answer is as expected: Envoy's workers start a listener after it was acknowledged."""
    deadline = asyncio.get_running_loop().time() + DEADLINE_S
    while (answer := await ask()) != expected:
        assert asyncio.get_running_loop().time() < deadline, f"{answer} is still answered"


WRAPPED = {
    "targetRefs": [{"group": "", "kind": "Service", "name": "one"}],
    "validation": {"hostname": "one.example.com", "wellKnownCACertificates": "System"},
}
"""A BackendTLSPolicy, which must not apply to TLS in passthrough mode."""


async def test_tls_is_routed_by_server_name_in_passthrough_and_terminate_mode(
    tmp_path: Path, client: aiohttp.ClientSession
):
    issued, backends = Certificates(), Certificates()
    secure = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    backends.ca.issue_cert("*.passed.example.com").configure_cert(secure)
    ends = {"mode": "Terminate", "certificateRefs": [{"name": "edge"}]}
    passes = {"mode": "Passthrough"}
    listener_specs = [
        {"name": "passed", "hostname": "*.passed.example.com", "tls": passes},
        {"name": "nobody", "hostname": "nobody.passed.example.com", "tls": passes},
        {"name": "ended", "hostname": "*.ended.example.com", "tls": ends},
        {"name": "web", "hostname": "web.example.com", "tls": ends, "protocol": "HTTPS"},
    ]
    web_route = {
        "parentRefs": [{"name": "edge", "sectionName": "web"}],
        "rules": [{"backendRefs": [{"name": "web", "port": 80}]}],
    }
    async with (
        secured_stage(tmp_path, account="edge-ours") as (stage, tls),
        Workload("web") as web,
        AsyncExitStack() as stack,
    ):
        uses_tls = await stack.enter_async_context(workloads("one", "two", secure=secure))
        plain = await stack.enter_async_context(workloads("three"))
        await stage.apply(
            join_manifests(
                NO_ACCESS_LOG,
                edge_gateway(*({"port": PORT, "protocol": "TLS", **spec} for spec in listener_specs)),
                issued.secret("edge", "a.ended.example.com", "web.example.com"),
                route("TLSRoute", "one", ["passed"], "one", hostnames=["*.passed.example.com", "*.example.org"]),
                route("TLSRoute", "two", ["passed"], "two", hostnames=["two.passed.example.com"]),
                route("TLSRoute", "three", ["ended"], "three", hostnames=["a.ended.example.com"]),
                gateway_api_object("HTTPRoute", "web", web_route),
                gateway_api_object("BackendTLSPolicy", "one", WRAPPED),
                uses_tls,
                plain,
                services_for(web),
            )
        )
        edge_router = await router(stage, PORT, tls=tls, labels=LABELS)
        ours, theirs = issued.client(), backends.client()
        assert await connect(edge_router, PORT, "any.passed.example.com", theirs) == "one"
        assert await connect(edge_router, PORT, "two.passed.example.com", theirs) == "two"
        assert await connect(edge_router, PORT, "a.ended.example.com", ours) == "three"
        for name in ("b.ended.example.com", "nobody.passed.example.com", "x.example.org"):
            assert await connect(edge_router, PORT, name, ours) == "", f"no route is for {name} there"
        url, host = edge_router.url("https", PORT, "/anything"), "web.example.com"
        request = client.get(url, headers={"Host": host}, ssl=ours, server_hostname=host)
        async with request as answer:
            assert answer.headers["X-Workload"] == "web"
        await delete_object(stage, Ref(TLS_ROUTE.key, "default", "two"))
        await eventually(lambda: connect(edge_router, PORT, "two.passed.example.com", theirs), "one")
        assert not nack_messages(stage)


@PROTOCOLS
async def test_tcp_is_split_by_weight_and_closed_without_a_grant(stage: Stage, delta: bool):
    async with workloads("one", "two", "far/far") as behind_it:
        await stage.apply(
            join_manifests(
                NO_ACCESS_LOG,
                edge_gateway(*listeners("TCP", PORT, TWICE, PARTLY, FAR), *listeners("HTTP", 18080)),
                route("TCPRoute", "weighted", [f"tcp-{PORT}"], "one*70", "two*30"),
                route("TCPRoute", "a-younger", [f"tcp-{TWICE}"], "two", year=2021),
                route("TCPRoute", "older", [f"tcp-{TWICE}"], "one", year=2020),
                route("TCPRoute", "partly", [f"tcp-{PARTLY}"], "one", "nobody"),
                route("TCPRoute", "far", [f"tcp-{FAR}", "http-18080"], "far/far"),
                grant("TCPRoute"),
                behind_it,
            )
        )
        edge_router = await router(stage, PORT, TWICE, PARTLY, FAR, delta=delta, labels=LABELS)
        counts = Counter([await connect(edge_router, PORT) for _ in range(SESSIONS)])
        assert counts.keys() == {"one", "two"}
        assert 105 <= counts["one"] <= 172, "wide bounds: one run in ten million exceeds them"
        assert {await connect(edge_router, TWICE) for _ in range(5)} == {"one"}
        counts = Counter([await connect(edge_router, PARTLY) for _ in range(SESSIONS)])
        assert counts.keys() == {"one", ""}
        assert 62 <= counts["one"] <= 138
        assert await connect(edge_router, FAR) == "far/far"
        await delete_object(stage, Ref(TCP_ROUTE.key, "default", "older"))
        await eventually(lambda: connect(edge_router, TWICE), "two")
        await delete_object(stage, Ref(REFERENCE_GRANT.key, "far", "tcproute"))
        await eventually(lambda: connect(edge_router, FAR), "")
        assert not nack_messages(stage)


@PROTOCOLS
async def test_udp_is_split_by_weight_and_dropped_without_a_grant(stage: Stage, delta: bool):
    async with workloads("one", "two", "far/far") as behind_it:
        await stage.apply(
            join_manifests(
                NO_ACCESS_LOG,
                edge_gateway(*listeners("UDP", PORT, TWICE, PARTLY, FAR), *listeners("TCP", PORT)),
                route("UDPRoute", "weighted", [f"udp-{PORT}"], "one*70", "two*30"),
                route("TCPRoute", "same-port", [f"tcp-{PORT}"], "two"),
                route("UDPRoute", "a-younger", [f"udp-{TWICE}"], "two", year=2021),
                route("UDPRoute", "older", [f"udp-{TWICE}"], "one", year=2020),
                route("UDPRoute", "partly", [f"udp-{PARTLY}"], "nobody", "one"),
                route("UDPRoute", "far", [f"udp-{FAR}"], "far/far"),
                grant("UDPRoute"),
                behind_it,
            )
        )
        edge_router = await router(stage, PORT, TWICE, PARTLY, FAR, delta=delta, labels=LABELS)
        counts = await stable_answers(edge_router, PORT)
        assert counts.keys() == {"one", "two"}
        assert 105 <= counts["one"] <= 172
        assert await connect(edge_router, PORT) == "two"
        assert await answering_backends(edge_router, TWICE) == {"one"}
        async with udp_sessions(edge_router, PARTLY) as clients:
            await until(lambda: count_answers(clients)["one"] >= 62, "half of them were answered")
            assert await answering_backends(edge_router, TWICE) == {"one"}, "datagrams sent later are answered"
            assert count_answers(clients).keys() == {"one", ""}
            assert count_answers(clients)["one"] <= 138
        assert await answering_backends(edge_router, FAR) == {"far/far"}
        await delete_object(stage, Ref(UDP_ROUTE.key, "default", "older"))
        await eventually(lambda: answering_backends(edge_router, TWICE), {"two"})
        await stage.apply(route("UDPRoute", "weighted", [f"udp-{PORT}"], "one*0", "two*30"))
        await eventually(lambda: answering_backends(edge_router, PORT), {"two"})
        await delete_object(stage, Ref(REFERENCE_GRANT.key, "far", "udproute"))
        await eventually(lambda: answers_in_time(edge_router, FAR), {""})
        assert not nack_messages(stage)
