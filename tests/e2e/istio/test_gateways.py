"""A real Envoy as ingress gateway, with clients outside the mesh."""

import asyncio
import ssl
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import grpc
import pytest
from aiohttp import web as pages

from mirrorplane.api.meta import Ref
from mirrorplane.api.resource import SECRET
from mirrorplane.bootstrap.tls import XdsTls
from mirrorplane.controlplane.playground.manifests import local_pod, service
from mirrorplane.controlplane.playground.stage import Stage
from mirrorplane.controlplane.playground.workload import Workload
from tests import fast_yaml as yaml
from tests.controlplane.playground.envoys import delete_object
from tests.e2e.conftest import PROTOCOLS
from tests.e2e.support.edge_router import (
    Certificates,
    Router,
    SlowWorkload,
    destination,
    edge_virtual_service,
    gateway,
    http2_status,
    router,
    secret,
    secured_stage,
    server,
)
from tests.e2e.support.manifests import (
    NO_ACCESS_LOG,
    findings,
    join_manifests,
    nack_messages,
    route,
    until,
    until_copied,
)
from tests.e2e.support.tls_workload import TlsWorkload

pytestmark = pytest.mark.envoy

HTTP, HTTPS, TLS, TCP = 18080, 18443, 18444, 18900
PORTS = (HTTP, HTTPS, TLS, TCP)
WEB, OTHER, STRANGER = "web.example.com", "other.example.com", "stranger.example.com"
Edge = tuple[Stage, XdsTls]


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[Edge]:
    async with secured_stage(tmp_path) as secured:
        yield secured
        assert not nack_messages(secured[0])


@pytest.fixture
async def web() -> AsyncIterator[Workload]:
    async with Workload("web") as workload:
        yield workload


def behind(name: str, port: int, port_name: str = "http") -> str:
    """A service of one workload on this machine."""
    return join_manifests(service(name, 80, port_name), local_pod(name, name, {"app": name}, port, port_name))


def service_entry(host: str, port: int, address: str) -> str:
    """A host with one address."""
    ports = [{"name": "http", "number": port, "protocol": "HTTP"}]
    spec = {"hosts": [host], "ports": ports, "endpoints": [{"address": address}], "resolution": "STATIC"}
    manifest = {"apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry", "metadata": {"name": host}}
    text: str = yaml.safe_dump({**manifest, "spec": spec})
    return text


def simple(port: int, *hosts: str, credential: str, mode: str = "SIMPLE") -> dict[str, object]:
    return server(port, "HTTPS", *hosts, tls={"mode": mode, "credentialName": credential})


async def status(client: aiohttp.ClientSession, url: str, host: str, **options: object) -> int:
    async with client.get(url, headers={"Host": host}, allow_redirects=False, **options) as answer:  # type: ignore[arg-type]
        await answer.read()
        return answer.status


@PROTOCOLS
async def test_plain_http_is_routed_by_host_and_mirrored(
    stage: Stage, client: aiohttp.ClientSession, web: Workload, delta: bool
):
    async with Workload("copy") as copy, Workload("other") as other_workload, SlowWorkload() as slow:
        rules = [
            edge_virtual_service(WEB, [WEB], http=[{"route": route(("web", "", 1)), "mirror": {"host": "copy"}}]),
            edge_virtual_service(OTHER, [OTHER], http=[{"route": route(("other", "", 1))}]),
            edge_virtual_service("slow", ["slow.example.com"], http=[{"route": route(("slow", "", 1))}]),
        ]
        services = [behind(w.name, w.port) for w in (web, copy, other_workload)] + [behind("slow", slow.port)]
        await stage.apply(
            join_manifests(NO_ACCESS_LOG, gateway(server(HTTP, "HTTP", "*.example.com")), *rules, *services)
        )
        edge_router = await router(stage, *PORTS, delta=delta)
        assert await status(client, edge_router.url("http", HTTP, "/anything"), WEB) == 200
        assert await status(client, edge_router.url("http", HTTP, "/anything"), f"{OTHER}:{HTTP}") == 200
        assert await status(client, edge_router.url("http", HTTP), STRANGER) == 404
        await until(lambda: bool(copy.received), "the copy arrived")
        assert [(r.host, r.path) for r in copy.received] == [(f"{WEB}-shadow", "/anything")]
        assert [r.path for r in other_workload.received] == ["/anything"]
        assert "mirror|80||copy.default.svc.cluster.local" in await edge_router.envoy.clusters()
        socket = client.ws_connect(edge_router.url("ws", HTTP), headers={"Host": "slow.example.com"})
        async with socket as opened:
            await opened.send_str("hello")
            assert await opened.receive_str() == "echo hello"
    assert not nack_messages(stage)


async def test_a_partial_wildcard_receives_the_copies_at_a_second_hop(
    stage: Stage, client: aiohttp.ClientSession, web: Workload
):
    """Envoy appends `-shadow` to the Host of a copy, which the next router has to recognise (Istio issue 23814)."""
    hop, short = "hop.example.com", "short.default.svc.cluster.local"
    mirrored = {"route": route(("web", "", 1)), "mirror": {"host": hop, "port": {"number": HTTP}}}
    async with Workload("copy") as copy, Workload("narrow") as narrow:
        rules = [
            edge_virtual_service("live", [WEB, "short", OTHER], http=[mirrored]),
            edge_virtual_service("copies", ["*-shadow"], http=[{"route": route(("copy", "", 1))}]),
            edge_virtual_service("narrow", ["*er.example.com-shadow"], http=[{"route": route(("narrow", "", 1))}]),
        ]
        services = [behind(w.name, w.port) for w in (web, copy, narrow)]
        await stage.apply(join_manifests(NO_ACCESS_LOG, gateway(server(HTTP, "HTTP", "*")), *rules, *services))
        edge_router = await router(stage, *PORTS)
        await stage.apply(service_entry(hop, HTTP, edge_router.address))

        async def send() -> None:
            for host in (WEB, f"{WEB}:{HTTP}", short, OTHER):
                assert await status(client, edge_router.url("http", HTTP, "/anything"), host) == 200

        suffixed = {f"{WEB}-shadow", f"{WEB}-shadow:{HTTP}", f"{short}-shadow"}
        await until_copied(send, lambda: {request.host for request in copy.received} >= suffixed and narrow.received)
        assert {request.host for request in copy.received} == suffixed
        assert {request.host for request in narrow.received} == {f"{OTHER}-shadow"}
    assert not nack_messages(stage)


async def test_replacing_a_certificate_keeps_connections_open(edge: Edge, client: aiohttp.ClientSession):
    (stage, tls), issued = edge, Certificates()
    context = issued.client()
    async with SlowWorkload() as slow:
        rules = edge_virtual_service("web", [WEB], http=[{"route": route(("slow", "", 1))}])
        edge_servers = gateway(simple(HTTPS, WEB, credential="web"))
        await stage.apply(
            join_manifests(NO_ACCESS_LOG, edge_servers, rules, issued.secret("web", WEB), behind("slow", slow.port))
        )
        edge_router = await router(stage, *PORTS, tls=tls)
        serial = await edge_router.certificate_serial(HTTPS, WEB, context)
        url = edge_router.url("https", HTTPS)
        async with client.get(url, headers={"Host": WEB}, ssl=context, server_hostname=WEB) as download:
            assert await download.content.readexactly(6) == b"first "
            await stage.apply(issued.secret("web", WEB))
            serials = {serial}
            while serials == {serial}:
                serials.add(await edge_router.certificate_serial(HTTPS, WEB, context))
            slow.may_finish.set()
            assert await download.read() == b"rest"
        new_serial = await edge_router.certificate_serial(HTTPS, WEB, context)
        assert new_serial != serial
        drained = (await edge_router.envoy.stats(r"^listener_manager\.listener_(in_place_updated|modified)$")).values()
        assert not any(drained), "a new certificate is no new listener"
        await _bad_secret_changes_nothing(stage, edge_router, context, new_serial)


async def _bad_secret_changes_nothing(stage: Stage, edge_router: Router, context: ssl.SSLContext, serial: int) -> None:
    broken = "apiVersion: v1\nkind: Secret\nmetadata: {name: web}\ntype: kubernetes.io/tls\n"
    stage.write("Secret default web.yaml", broken + 'stringData: {tls.crt: "PRIVATE-1", tls.key: "PRIVATE-2"}\n')
    await until(lambda: any(f.reason == "InvalidCredential" for f in findings(stage)), "the Secret is refused")
    assert await edge_router.certificate_serial(HTTPS, WEB, context) == serial
    assert "PRIVATE" not in repr(findings(stage)) + repr(stage.app.plane.snapshot.objects)


async def test_no_log_page_or_repr_shows_a_private_key(
    edge: Edge, client: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("DEBUG")
    (stage, tls), issued = edge, Certificates()
    secret_manifest = issued.secret("web", WEB)
    await stage.apply(join_manifests(NO_ACCESS_LOG, gateway(simple(HTTPS, WEB, credential="web")), secret_manifest))
    edge_router = await router(stage, *PORTS, tls=tls)
    assert await edge_router.certificate_serial(HTTPS, WEB, issued.client())
    (stream,) = list(stage.app.xds.statuses())
    pages = ["findings", "proxies", "objects", f"resources?proxy={stream.proxy.id}"]
    admin_url = f"http://127.0.0.1:{stage.app.admin_port}"
    texts = [await (await client.get(f"{admin_url}/debug/{page}")).text() for page in pages]
    texts += [
        await (await client.get(f"{admin_url}/metrics")).text(),
        caplog.text,
        repr(stage.app.plane.snapshot.objects),
    ]
    served = stage.app.plane.render(stream.proxy)
    texts.append(repr(list(map(stage.app.plane.engine.lowered, stage.app.plane.snapshot.objects))))
    texts.append(repr(served))
    key = yaml.safe_load(secret_manifest)["data"]["tls.key"]
    assert b64decode(key) in served.of_type(SECRET)["kubernetes://web"].body
    assert "https.18443" in texts[3], "the pages are those of the router"
    for text in texts:
        assert key not in text
        assert b64decode(key).decode().splitlines()[1] not in text


async def test_clients_must_present_certificates_in_mutual_mode(
    edge: Edge, client: aiohttp.ClientSession, web: Workload
):
    (stage, tls), issued = edge, Certificates()
    authority = issued.ca.cert_pem.bytes()
    servers = gateway(simple(HTTPS, WEB, credential="web", mode="MUTUAL"))
    rules = edge_virtual_service("web", [WEB], http=[{"route": route(("web", "", 1))}])
    await stage.apply(
        join_manifests(
            NO_ACCESS_LOG, servers, rules, behind("web", web.port), issued.secret("web", WEB, ca_crt=authority)
        )
    )
    edge_router = await router(stage, *PORTS, tls=tls)
    url, name = edge_router.url("https", HTTPS, "/anything"), {"server_hostname": WEB}
    assert await status(client, url, WEB, ssl=issued.client(with_certificate=True), **name) == 200
    assert "client.example.com" in web.received[-1].headers["x-forwarded-client-cert"]
    stranger = Certificates().client(with_certificate=True)
    for context in (issued.client(), stranger):
        issued.ca.configure_trust(context)
        with pytest.raises(aiohttp.ClientError):
            await status(client, url, WEB, ssl=context, **name)

    tls_settings = {"mode": "MUTUAL", "credentialName": "web", "insecureSkipVerify": True}
    await stage.apply(gateway(server(HTTPS, "HTTPS", WEB, tls=tls_settings)))
    assert await status(client, url, WEB, ssl=stranger, **name) == 200
    assert "client.example.com" in web.received[-1].headers["x-forwarded-client-cert"]
    with pytest.raises(aiohttp.ClientError):
        await status(client, url, WEB, ssl=issued.client(), **name)


async def test_a_server_offers_the_curves_and_protocols_that_it_lists(
    edge: Edge, client: aiohttp.ClientSession, web: Workload
):
    (stage, tls), issued = edge, Certificates()
    # Envoy would reject the listener with P-224, or with a curve twice.
    settings = {"mode": "SIMPLE", "credentialName": "web", "ecdhCurves": ["P-224", "P-384", "P-384"]}
    servers = gateway(server(HTTPS, "HTTPS", WEB, tls={**settings, "alpnProtocols": ["http/1.1"]}))
    rules = edge_virtual_service("web", [WEB], http=[{"route": route(("web", "", 1))}])
    await stage.apply(join_manifests(NO_ACCESS_LOG, servers, rules, behind("web", web.port), issued.secret("web", WEB)))
    edge_router = await router(stage, *PORTS, tls=tls)
    url, context = edge_router.url("https", HTTPS, "/anything"), issued.client()
    context.set_alpn_protocols(["h2", "http/1.1"])
    for curve, served in (("secp384r1", True), ("prime256v1", False)):
        context.set_ecdh_curve(curve)
        if served:
            assert await _alpn_protocol(edge_router, context) == "http/1.1"
            assert await status(client, url, WEB, ssl=context, server_hostname=WEB) == 200
        else:
            with pytest.raises(ssl.SSLError):
                await _alpn_protocol(edge_router, context)


async def _alpn_protocol(edge_router: Router, context: ssl.SSLContext) -> str | None:
    _, writer = await asyncio.open_connection(edge_router.address, HTTPS, ssl=context, server_hostname=WEB)
    protocol = writer.get_extra_info("ssl_object").selected_alpn_protocol()
    writer.close()
    return str(protocol) if protocol else None


async def test_only_the_server_whose_secret_is_missing_refuses_connections(
    edge: Edge, client: aiohttp.ClientSession, web: Workload
):
    (stage, tls), issued = edge, Certificates()
    optional_mutual = {"mode": "OPTIONAL_MUTUAL", "credentialName": "web", "caCertCredentialName": "clients"}
    servers = gateway(
        server(HTTPS, "HTTPS", WEB, tls=optional_mutual),
        {**simple(HTTPS, OTHER, credential="web"), "port": {"number": HTTPS, "name": "second", "protocol": "HTTPS"}},
    )
    rules = edge_virtual_service("web", [WEB, OTHER], http=[{"route": route(("web", "", 1))}])
    authority = secret("clients", {"ca.crt": issued.ca.cert_pem.bytes()}).replace("kubernetes.io/tls", "Opaque")
    certificate = issued.secret("web", WEB, OTHER)
    await stage.apply(join_manifests(NO_ACCESS_LOG, servers, rules, behind("web", web.port), certificate))
    edge_router = await router(stage, *PORTS, tls=tls)
    url = edge_router.url("https", HTTPS, "/anything")
    for _ in "12":
        with pytest.raises(aiohttp.ClientError):
            await status(client, url, WEB, ssl=issued.client(), server_hostname=WEB)
        assert await status(client, url, OTHER, ssl=issued.client(), server_hostname=OTHER) == 200
        await stage.apply(authority)
        for with_certificate in (False, True):
            context = issued.client(with_certificate=with_certificate)
            assert await status(client, url, WEB, ssl=context, server_hostname=WEB) == 200
        assert "client.example.com" in web.received[-1].headers["x-forwarded-client-cert"]
        await delete_object(stage, Ref("Secret", "default", "clients"))
    changed = await edge_router.envoy.stats(r"^listener_manager\.listener_(in_place_updated|modified)$")
    assert set(changed.values()) == {4}, (
        "the listener is updated in place each time, which keeps connections of its other chains"
    )


async def test_server_names_select_certificates_and_http_is_redirected_to_https(
    edge: Edge, client: aiohttp.ClientSession, web: Workload
):
    (stage, tls), web_ca, other_ca = edge, Certificates(), Certificates()
    servers = gateway(
        server(HTTP, "HTTP", "*", tls={"httpsRedirect": True}),
        simple(HTTPS, WEB, credential="one"),
        {**simple(HTTPS, OTHER, credential="two"), "port": {"number": HTTPS, "name": "second", "protocol": "HTTPS"}},
    )
    rules = edge_virtual_service("web", [WEB, OTHER], http=[{"route": route(("web", "", 1))}])
    secrets = [web_ca.secret("one", WEB), other_ca.secret("two", OTHER)]
    await stage.apply(join_manifests(NO_ACCESS_LOG, servers, rules, behind("web", web.port), *secrets))
    edge_router = await router(stage, *PORTS, tls=tls)
    url = edge_router.url("https", HTTPS, "/anything")
    assert await status(client, url, WEB, ssl=web_ca.client(), server_hostname=WEB) == 200
    assert await status(client, url, OTHER, ssl=other_ca.client(), server_hostname=OTHER) == 200
    assert await status(client, url, OTHER, ssl=web_ca.client(), server_hostname=WEB) == 404
    with pytest.raises(aiohttp.ClientError):
        await status(client, url, STRANGER, ssl=web_ca.client(), server_hostname=STRANGER)
    headers = {"Host": WEB}
    async with client.get(edge_router.url("http", HTTP, "/a?b"), headers=headers, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (301, f"https://{WEB}/a?b")


async def test_grpc_is_forwarded_over_http2(edge: Edge):
    (stage, tls), issued = edge, Certificates()
    upstream = grpc.aio.server()
    upstream.add_generic_rpc_handlers([Echo()])
    number = upstream.add_insecure_port("127.0.0.1:0")
    await upstream.start()
    rules = edge_virtual_service("web", [WEB], http=[{"route": route(("echo", "", 1))}])
    servers = gateway(server(HTTP, "GRPC", WEB), simple(HTTPS, WEB, credential="web"))
    await stage.apply(
        join_manifests(NO_ACCESS_LOG, servers, rules, behind("echo", number, "grpc"), issued.secret("web", WEB))
    )
    edge_router = await router(stage, *PORTS, tls=tls)
    credentials = grpc.ssl_channel_credentials(issued.ca.cert_pem.bytes())
    options = [("grpc.ssl_target_name_override", WEB), ("grpc.default_authority", WEB)]
    for channel in (
        grpc.aio.insecure_channel(f"{edge_router.address}:{HTTP}", options[1:]),
        grpc.aio.secure_channel(f"{edge_router.address}:{HTTPS}", credentials, options),
    ):
        async with channel:
            call = channel.stream_stream("/test.Echo/All")
            assert [answer async for answer in call(iter([b"one", b"two"]))] == [b"one", b"two"]
    await upstream.stop(None)


async def test_http2_clients_reach_undeclared_ports_over_http1(edge: Edge, tmp_path: Path):
    """A browser chooses HTTP/2 with the router, by ALPN; that says nothing about the workload, or the mirror's."""
    (stage, tls), issued = edge, Certificates()
    issued.ca.cert_pem.write_to_path(str(tmp_path / "issuer.pem"))
    rules = edge_virtual_service("web", [WEB], http=[{"route": route(("web", "", 1)), "mirror": {"host": "copy"}}])
    async with Workload("web") as live, Workload("copy") as copy:
        undeclared = [behind("web", live.port, ""), behind("copy", copy.port, "shop")]
        servers = gateway(simple(HTTPS, WEB, credential="web"))
        await stage.apply(join_manifests(NO_ACCESS_LOG, servers, rules, *undeclared, issued.secret("web", WEB)))
        edge_router = await router(stage, *PORTS, tls=tls)
        assert await http2_status(edge_router, tmp_path / "issuer.pem", HTTPS, WEB, WEB) == 200
        await until(lambda: bool(copy.received), "the copy arrived")


class Echo(grpc.GenericRpcHandler):
    """Echoes every message."""

    def service(self, _: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        async def echo(messages, __):
            async for message in messages:
                yield message

        return grpc.stream_stream_rpc_method_handler(echo)


async def test_tls_is_passed_through_by_server_name_and_terminated_for_tcp(
    stage: Stage, client: aiohttp.ClientSession, tmp_path: Path
):
    issued = Certificates()
    files = tmp_path / "edge.pem", tmp_path / "edge-key.pem"
    certificate = issued.ca.issue_cert(OTHER)
    certificate.cert_chain_pems[0].write_to_path(str(files[0]))
    certificate.private_key_pem.write_to_path(str(files[1]))
    greeter = await asyncio.start_server(_greet, "127.0.0.1", 0)
    async with TlsWorkload(tmp_path, WEB) as backend, greeter:
        terminate = {"mode": "SIMPLE", "serverCertificate": str(files[0]), "privateKey": str(files[1])}
        servers = gateway(
            server(TLS, "TLS", WEB, tls={"mode": "PASSTHROUGH"}),
            {**server(TLS, "TLS", OTHER, tls=terminate), "port": {"number": TLS, "name": "off", "protocol": "TLS"}},
            server(TCP, "TCP", "*"),
        )
        rules = [
            edge_virtual_service(
                "web", [WEB], tls=[{"match": [{"sniHosts": [WEB]}], "route": route(("secured", "", 1))}]
            ),
            edge_virtual_service("other", [OTHER], tcp=[{"route": route(("greeter", "", 1))}]),
        ]
        number = greeter.sockets[0].getsockname()[1]
        services = [behind("secured", backend.port, "tls"), behind("greeter", number, "tcp")]
        await stage.apply(join_manifests(NO_ACCESS_LOG, servers, *rules, *services))
        edge_router = await router(stage, *PORTS)
        trust = ssl.create_default_context(cafile=str(backend.ca))
        assert await status(client, edge_router.url("https", TLS), WEB, ssl=trust, server_hostname=WEB) == 200
        assert [connection.sni for connection in backend.requests] == [WEB]
        for port, secure in ((TLS, issued.client()), (TCP, None)):
            name = OTHER if secure else None
            reader, writer = await asyncio.open_connection(edge_router.address, port, ssl=secure, server_hostname=name)
            assert await asyncio.wait_for(reader.read(), 60) == b"greetings"
            writer.close()
    assert not nack_messages(stage)


async def _greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"greetings")
    writer.close()


async def test_upstream_tls_presents_and_trusts_the_certificates_of_a_secret(edge: Edge, client: aiohttp.ClientSession):
    (stage, tls), issued = edge, Certificates()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    issued.ca.issue_cert("backend.example.com").configure_cert(context)
    issued.ca.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    policy = {"host": "web", "trafficPolicy": {"tls": {
        "mode": "MUTUAL", "credentialName": "client", "sni": "backend.example.com",
        "subjectAltNames": ["backend.example.com"],
    }}}  # fmt: skip
    rules = edge_virtual_service("web", [WEB], http=[{"route": route(("web", "", 1)), "mirror": {"host": "web"}}])
    async with _secure_pages(context) as (number, client_names):
        objects = join_manifests(
            NO_ACCESS_LOG, gateway(server(HTTP, "HTTP", "*")), rules, behind("web", number, "http"), destination(policy)
        )
        await stage.apply(objects)
        edge_router = await router(stage, *PORTS, tls=tls)
        url = edge_router.url("http", HTTP)
        assert await status(client, url, WEB) == 503, "the Secret is missing"
        await stage.apply(issued.secret("client", "client.example.com", ca_crt=issued.ca.cert_pem.bytes()))
        assert await status(client, url, WEB) == 200
        await until(lambda: len(client_names) == 2, "the request and its copy arrived")
        assert all(name == "client.example.com" for name in client_names)
        stranger = Certificates().ca.cert_pem.bytes()
        await stage.apply(issued.secret("client", "client.example.com", ca_crt=stranger))
        assert await status(client, url, WEB) == 503, "the server's certificate is not issued by the Secret's CA"


@asynccontextmanager
async def _secure_pages(context: ssl.SSLContext) -> AsyncIterator[tuple[int, list[str]]]:
    """A server that requires client certificates; yields its port, and the names in those it received."""
    client_names: list[str] = []

    async def page(request: pages.BaseRequest) -> pages.Response:
        assert request.transport is not None
        certificate = request.transport.get_extra_info("peercert")
        client_names.extend(name for kind, name in certificate["subjectAltName"] if kind == "DNS")
        return pages.Response(headers={"Connection": "close"})

    runner = pages.ServerRunner(pages.Server(page, access_log=None))
    await runner.setup()
    await pages.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        yield runner.addresses[0][1], client_names
    finally:
        await runner.cleanup()


async def test_a_workload_that_poses_as_a_router_gets_no_secret_until_it_is_listed(
    tmp_path: Path, client: aiohttp.ClientSession, web: Workload
):
    issued, listed = Certificates(), "mirrorplane.io/service-accounts: sleep"
    edge_servers = gateway(server(HTTP, "HTTP", "*"), simple(HTTPS, WEB, credential="web"))
    trusting = edge_servers.replace("  name: edge\n", f"  name: edge\n  annotations: {{{listed}}}\n")
    rules = edge_virtual_service("web", [WEB], http=[{"route": route(("web", "", 1))}])
    services = join_manifests(NO_ACCESS_LOG, rules, behind("web", web.port), issued.secret("web", WEB))
    async with secured_stage(tmp_path, account="sleep") as (stage, tls):
        await stage.apply(join_manifests(edge_servers, services))
        poser = await router(stage, *PORTS, tls=tls)
        secured = {"ssl": issued.client(), "server_hostname": WEB}
        for is_listed in (False, True, False):
            await stage.apply(trusting if is_listed else edge_servers)
            assert await status(client, poser.url("http", HTTP, "/anything"), WEB) == 200
            await asyncio.wait_for(_wait_for_ports(poser, {HTTP, HTTPS} if is_listed else {HTTP}), 60)
            reasons = {(f.reason, f.path) for f in findings(stage)}
            assert reasons == (set() if is_listed else {("ListenerNotOpened", "spec.servers[1]")})
            if is_listed:
                assert await status(client, poser.url("https", HTTPS, "/anything"), WEB, **secured) == 200
        (stream,) = list(stage.app.xds.statuses())
        assert not stage.app.plane.render(stream.proxy).of_type(SECRET)
        assert not nack_messages(stage)


async def _wait_for_ports(edge_router: Router, ports: set[int]) -> None:
    """Wait for the listeners of a router whose scope changes: they are built after the change is published."""
    while await edge_router.ports() != ports:
        await asyncio.sleep(0.05)


async def test_an_unauthenticated_router_gets_no_secret_and_serves_the_rest(
    stage: Stage, client: aiohttp.ClientSession, web: Workload, caplog: pytest.LogCaptureFixture
):
    issued = Certificates()
    servers = gateway(server(HTTP, "HTTP", "*"), simple(HTTPS, WEB, credential="web"))
    rules = edge_virtual_service("web", [WEB], http=[{"route": route(("web", "", 1))}])
    await stage.apply(join_manifests(NO_ACCESS_LOG, servers, rules, behind("web", web.port), issued.secret("web", WEB)))
    edge_router = await router(stage, *PORTS)
    assert await status(client, edge_router.url("http", HTTP, "/anything"), WEB) == 200
    assert set(await edge_router.envoy.listeners()) == {f"{edge_router.address}_{HTTP}"}
    (stream,) = list(stage.app.xds.statuses())
    assert not stage.app.plane.render(stream.proxy).of_type(SECRET)
    await until(lambda: "spec.servers[1]: no listener on port 18443" in caplog.text, "the reason is logged")
