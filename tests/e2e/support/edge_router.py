"""A router at the edge of a mesh on this machine, with certificates for it and for external clients."""

import asyncio
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trustme
from aiohttp import WSMsgType, web
from cryptography import x509

from mirrorplane.api.proxy import Proxy
from mirrorplane.bootstrap.tls import XdsTls
from mirrorplane.controlplane.identity.authoriser import Security
from mirrorplane.controlplane.identity.certificates import TlsFiles
from mirrorplane.controlplane.playground.proxy import EnvoyProcess
from mirrorplane.controlplane.playground.stage import Stage
from mirrorplane.controlplane.settings import Address
from tests import fast_yaml as yaml
from tests.controlplane.identity.issuers import Authority
from tests.e2e.support.sidecars import free_address

LABELS = {"istio": "ingressgateway", "app": "sleep"}


class Certificates:
    """A CA that issues certificates for servers, as Secrets, and for clients, as SSL contexts."""

    def __init__(self) -> None:
        self.ca = trustme.CA()

    def secret(self, name: str, *hosts: str, **more: bytes) -> str:
        """A Secret with a new certificate for some hosts; `more` has more entries, `ca_crt` for `ca.crt`."""
        issued = self.ca.issue_cert(*hosts)
        chain = b"".join(pem.bytes() for pem in issued.cert_chain_pems)
        entries = {"tls.crt": chain, "tls.key": issued.private_key_pem.bytes()}
        return secret(name, entries | {key.replace("_", "."): value for key, value in more.items()})

    def client(self, *, with_certificate: bool = False, alpn: tuple[str, ...] = ("http/1.1",)) -> ssl.SSLContext:
        """The SSL context of a client that trusts the CA; `with_certificate` adds a client certificate."""
        context = ssl.create_default_context()
        self.ca.configure_trust(context)
        context.set_alpn_protocols(list(alpn))
        if with_certificate:
            self.ca.issue_cert("client.example.com").configure_cert(context)
        return context


def secret(name: str, entries: Mapping[str, bytes]) -> str:
    data = {key: b64encode(value).decode() for key, value in entries.items()}
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "kubernetes.io/tls"}
    text: str = yaml.safe_dump({**manifest, "data": data})
    return text


def gateway(*servers: Mapping[str, Any], name: str = "edge") -> str:
    return _istio("Gateway", name, {"selector": {"istio": LABELS["istio"]}, "servers": list(servers)})


def server(port: int, protocol: str, *hosts: str, **more: Any) -> dict[str, Any]:
    """A server; its port is named after protocol and number."""
    port_spec = {"number": port, "name": f"{protocol.lower()}-{port}", "protocol": protocol}
    return {"port": port_spec, "hosts": list(hosts), **more}


def edge_virtual_service(name: str, hosts: list[str], **rules: Any) -> str:
    """A VirtualService at the gateway."""
    return _istio("VirtualService", name, {"hosts": hosts, "gateways": ["edge"], **rules})


def destination(spec: Mapping[str, Any]) -> str:
    """A DestinationRule named after its host."""
    return _istio("DestinationRule", spec["host"], spec)


def _istio(kind: str, name: str, spec: Mapping[str, Any]) -> str:
    text: str = yaml.safe_dump(
        {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
    )
    return text


@asynccontextmanager
async def secured_stage(
    folder: Path, namespace: str = "default", account: str = "istio-ingressgateway"
) -> AsyncIterator[tuple[Stage, XdsTls]]:
    """A control plane that requires mTLS, and the client credentials of a router, by default of LABELS."""
    (folder / "mesh").mkdir()
    authority = Authority(folder)
    cert, key = authority.client_files(f"spiffe://cluster.local/ns/{namespace}/sa/{account}")
    security = Security(TlsFiles(authority.cert, authority.key, authority.ca_file))
    async with Stage(folder / "mesh", Address("127.0.0.1", 0), security) as stage:
        yield stage, XdsTls(str(authority.ca_file), str(cert), str(key), server_name="localhost")


class Router:
    """A running Envoy as a router, on its own loopback address."""

    def __init__(self, envoy: EnvoyProcess, address: str) -> None:
        self.envoy, self.address = envoy, address

    async def certificate_serial(self, port: int, name: str, context: ssl.SSLContext) -> int:
        """Connect over TLS; return the serial number of the server's certificate."""
        _, writer = await asyncio.open_connection(self.address, port, ssl=context, server_hostname=name)
        try:
            certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            return x509.load_der_x509_certificate(certificate).serial_number
        finally:
            writer.close()

    async def ports(self) -> set[int]:
        """The ports that it listens on."""
        return {int(name.rpartition("_")[2]) for name in await self.envoy.listeners()}

    def url(self, scheme: str, port: int, path: str = "/") -> str:
        return f"{scheme}://{self.address}:{port}{path}"


async def router(
    stage: Stage,
    *ports: int,
    delta: bool = True,
    tls: XdsTls | None = None,
    unprivileged: bool = False,
    labels: Mapping[str, str] = LABELS,
    name: str = "gateway",
) -> Router:
    """Start a router on an address where the ports are free."""
    ip = free_address(*ports)
    proxy = Proxy("router", name, "default", ip=ip, labels=labels, unprivileged=unprivileged)
    return Router(await stage.sidecar(proxy, delta=delta, tls=tls), proxy.ip)


async def http2_status(edge_router: Router, issuer: Path, port: int, name: str, host: str) -> int:
    """Return the status of an HTTP/2 request for a host, over a connection for a server name."""
    authority = f"{name}:{port}"
    resolve = ["-H", f"Host: {host}", "--cacert", str(issuer), "--resolve", f"{authority}:{edge_router.address}"]
    options = [
        "-s",
        "-o",
        "/dev/null",
        "-w",
        "%{http_version} %{http_code}",
        "--http2",
        f"https://{authority}/anything",
    ]
    process = await asyncio.create_subprocess_exec("curl", *resolve, *options, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    version, _, code = out.decode().partition(" ")
    assert version == "2"
    return int(code)


class SlowWorkload:
    """A workload that withholds the end of its response until `may_finish` is set, and echoes WebSocket messages."""

    def __init__(self) -> None:
        self.may_finish = asyncio.Event()
        self.port = 0

    async def __aenter__(self) -> "SlowWorkload":
        self._runner = web.ServerRunner(web.Server(self._serve, access_log=None), shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.may_finish.set()
        await self._runner.cleanup()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.headers.get("Upgrade") == "websocket":
            return await self._echo(request)
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(b"first ")
        await self.may_finish.wait()
        await answer.write(b"rest")
        return answer

    async def _echo(self, request: web.BaseRequest) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)  # type: ignore[arg-type]
        async for message in socket:
            if message.type == WSMsgType.TEXT:
                await socket.send_str(f"echo {message.data}")
        return socket
