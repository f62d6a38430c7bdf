"""A real Envoy whose certificate, token or CA is renewed while it runs, by way of a secrets folder."""

import json
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import mkdtemp

import pytest
import trustme

from mirrorplane.api.proxy import Proxy
from mirrorplane.bootstrap.envoy import XdsAddress, bootstrap
from mirrorplane.bootstrap.tls import XdsTls, secret_files
from mirrorplane.controlplane.identity.authoriser import Security
from mirrorplane.controlplane.identity.certificates import TlsFiles
from mirrorplane.controlplane.identity.tokens import TokenRules
from mirrorplane.controlplane.playground.proxy import EnvoyProcess
from tests.controlplane.identity.issuers import Authority, Signer, client
from tests.controlplane.playground.ports import held_ports
from tests.controlplane.xds.grpc_peers import TableFeed, XdsServer
from tests.controlplane.xds.resource_worlds import SMALL

pytestmark = pytest.mark.envoy
PROXY = Proxy(role="sidecar", name="sleep", namespace="default")
FIRST, SECOND = (f"spiffe://cluster.local/ns/default/sa/{name}" for name in ("first", "second"))


Put = Callable[[Path, dict[str, bytes]], None]


def rename(folder: Path, files: dict[str, bytes]) -> None:
    """Replace files one after the other, each in one step, as whoever renews credentials should."""
    for name, content in files.items():
        part = folder / f".{name}"
        part.write_bytes(content)
        part.replace(folder / name)


def swap(folder: Path, files: dict[str, bytes]) -> None:
    """Replace all files in one step, as Kubernetes does: they are links into a folder that is a link itself."""
    generation = Path(mkdtemp(prefix="..", dir=folder))
    for name, content in files.items():
        (generation / name).write_bytes(content)
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
    (folder / "..new").symlink_to(generation.name)
    (folder / "..new").replace(folder / "..data")


both_ways = pytest.mark.parametrize("put", [rename, swap])


@pytest.fixture
def mount(tmp_path: Path) -> Path:
    """A folder of the proxy, for what is renewed."""
    folder = tmp_path / "mount"
    folder.mkdir()
    return folder


class Served:
    """A server with a clock of its own, and an Envoy that has everything it has to offer."""

    def __init__(self, envoy: EnvoyProcess, port: int, **options) -> None:
        self.envoy, self._clock, self._options = envoy, [time.time()], options
        self.server = XdsServer(TableFeed({}), f"127.0.0.1:{port}", **options)
        self.server.authoriser._now = lambda: self._clock[0]

    async def certificates(self) -> list[str]:
        """The serial numbers of what Envoy trusts, and shows."""
        return re.findall(r'"serial_number": "(\w+)"', await self.envoy.get("/certs"))

    async def read_again(self, before: list[str]) -> None:
        async def there() -> bool:
            return await self.certificates() != before

        await self.envoy.until("what was renewed has been read", there)

    async def identified(self, identity: str) -> None:
        async def there() -> bool:
            return [stream.proxy.identity for stream in self.server.streams()] == [identity]

        await self.envoy.until(f"{identity} is connected", there)

    async def restart(self) -> None:
        """Begin again on the same port, with nobody connected."""
        await self.server.stop(grace=0.1)
        self.server = XdsServer(self.server.feed, f"127.0.0.1:{self.server.port}", **self._options)
        await self.server.start()

    def expire(self) -> None:
        """Let half an hour pass, and something change: the next message is the last of an old stream."""
        self._clock[0] += 1800
        self.server.feed.publish(SMALL)


@asynccontextmanager
async def served(security: Security, tls: XdsTls) -> AsyncIterator[Served]:
    with held_ports(1) as (port,):
        envoy = EnvoyProcess(bootstrap(PROXY, XdsAddress("localhost", port, tls=tls)))
        on = Served(envoy, port, security=security, max_connection_age=0.5, reuse_port=True)
        await on.server.start()
        for path, value in secret_files(tls).items():
            Path(path).write_text(json.dumps(value))
        try:
            async with on.envoy:
                yield on
        finally:
            await on.server.stop(grace=0.2)


@both_ways
async def test_a_renewed_certificate_is_shown_when_the_old_one_has_expired(tmp_path: Path, mount: Path, put: Put):
    authority = Authority(tmp_path)
    tls = XdsTls(str(authority.ca_file), f"{mount}/cert", f"{mount}/key", secrets=str(tmp_path))

    def issue(name: str, lives_s: float) -> None:
        put(mount, dict(zip(("cert", "key"), client(authority.ca, name, lives_s=lives_s), strict=True)))

    issue(FIRST, 600)
    async with served(Security(TlsFiles(authority.cert, authority.key, authority.ca_file)), tls) as on:
        await on.identified(FIRST)
        before = await on.certificates()
        issue(SECOND, 7200)
        await on.read_again(before)
        on.expire()
        await on.identified(SECOND)


@both_ways
async def test_a_renewed_token_is_sent_when_the_old_one_has_expired(tmp_path: Path, mount: Path, put: Put):
    authority, signer = Authority(tmp_path), Signer(tmp_path)
    tls = XdsTls(str(authority.ca_file), token=f"{mount}/token", secrets=str(tmp_path))

    def issue(name: str, lives_s: float) -> None:
        token = signer.token(sub=f"system:serviceaccount:default:{name}", exp=time.time() + lives_s)
        put(mount, {"token": f"{token}\n".encode()})

    issue("first", 600)
    security = Security(TlsFiles(authority.cert, authority.key), TokenRules(signer.file))
    async with served(security, tls) as on:
        await on.identified(FIRST)
        issue("second", 7200)
        on.expire()
        await on.identified(SECOND)


@both_ways
async def test_a_renewed_ca_is_trusted_without_a_restart(tmp_path: Path, mount: Path, put: Put):
    authority = Authority(tmp_path)
    put(mount, {"ca": authority.ca.cert_pem.bytes()})
    async with served(
        Security(TlsFiles(authority.cert, authority.key)), XdsTls(f"{mount}/ca", secrets=str(tmp_path))
    ) as on:
        before = await on.certificates()
        authority.ca = trustme.CA()
        put(mount, {"ca": authority.ca.cert_pem.bytes()})
        await on.read_again(before)
        authority.issue_server()
        await on.restart()
        await on.identified("")
