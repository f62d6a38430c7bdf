"""Real Envoys and a control plane that authenticates them, with the output of `mirrorplane bootstrap`."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mirrorplane.controlplane.app import App, ServeOptions
from mirrorplane.controlplane.identity.authoriser import Security
from mirrorplane.controlplane.identity.certificates import TlsFiles
from mirrorplane.controlplane.identity.tokens import TokenRules
from mirrorplane.controlplane.playground.proxy import EnvoyProcess
from mirrorplane.controlplane.settings import Address
from tests.controlplane.identity.issuers import SLEEP, Authority, Signer
from tests.e2e.support.manifests import until

pytestmark = pytest.mark.envoy
ANY = Address("127.0.0.1", 0)
OTHER = "spiffe://cluster.local/ns/other/sa/sleep"


@asynccontextmanager
async def serving(folder: Path, security: Security) -> AsyncIterator[App]:
    (folder / "mesh").mkdir()
    app = App(ServeOptions((folder / "mesh",), ANY, ANY, security=security))
    await app.start()
    try:
        yield app
    finally:
        await app.close()


def bootstrap(app: App, authority: Authority, *flags: object) -> dict:
    """The bootstrap that the command prints for a sidecar in the namespace `default`."""
    command = [
        sys.executable,
        "-m",
        "mirrorplane.controlplane.cli",
        "bootstrap",
        "--name",
        "sleep",
        "--ip",
        "127.8.8.8",
        *("--admin-port", "0", "--health-port", "0", "--stats-port", "0"),
        "-o",
        "json",
    ]
    tls_flags = ["--xds-address", f"localhost:{app.xds_port}", "--xds-ca", authority.ca_file, *flags]
    process = subprocess.run([*command, *map(str, tls_flags)], capture_output=True, text=True, check=True)
    return json.loads(process.stdout)


@pytest.mark.parametrize("protocol", ["delta", "sotw"])
async def test_an_envoy_with_a_certificate_of_its_namespace_is_served(tmp_path: Path, protocol: str):
    authority = Authority(tmp_path)
    cert, key = authority.client_files(SLEEP)
    tls = TlsFiles(authority.cert, authority.key, authority.ca_file)
    async with serving(tmp_path, Security(tls)) as app:
        config = bootstrap(app, authority, "--xds-cert", cert, "--xds-key", key, "--protocol", protocol)
        async with EnvoyProcess(config):
            await until(lambda: any(s.settled for s in app.xds.statuses()), "the proxy was served")
            assert [s.proxy.identity for s in app.xds.statuses()] == [SLEEP]


async def test_an_envoy_with_a_token_is_served(tmp_path: Path):
    authority, signer = Authority(tmp_path), Signer(tmp_path)
    token = tmp_path / "token"
    token.write_text(signer.token())
    security = Security(TlsFiles(authority.cert, authority.key), TokenRules(signer.file))
    async with serving(tmp_path, security) as app:
        config = bootstrap(app, authority, "--token-file", token)
        async with EnvoyProcess(config):
            await until(lambda: any(s.settled for s in app.xds.statuses()), "the proxy was served")
            assert [s.proxy.identity for s in app.xds.statuses()] == [SLEEP]
            assert "eyJ" not in json.dumps(config), "the token itself is not in the bootstrap"


async def test_an_envoy_with_a_certificate_of_another_namespace_gets_nothing(tmp_path: Path, caplog):
    authority = Authority(tmp_path)
    cert, key = authority.client_files(OTHER)
    tls = TlsFiles(authority.cert, authority.key, authority.ca_file)
    async with serving(tmp_path, Security(tls)) as app:
        envoy = EnvoyProcess(bootstrap(app, authority, "--xds-cert", cert, "--xds-key", key))
        starting = asyncio.create_task(envoy.__aenter__())
        try:
            await until(lambda: "may not claim namespace 'default', only 'other'" in caplog.text, "it was refused")
            assert not list(app.xds.statuses())
            assert not starting.done(), "it never becomes ready"
        finally:
            starting.cancel()
            await asyncio.wait([starting])
            await envoy.__aexit__(None, None, None)
