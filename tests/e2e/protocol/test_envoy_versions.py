"""Every supported version of Envoy accepts all that we serve, and mirrors without any effect on requests."""

import asyncio
import hashlib
import io
import json
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest
import trustme
from google.protobuf.json_format import MessageToDict

from mirrorplane.api.envoy_features import SUPPORTED, missing_features, parse_version
from mirrorplane.api.gateways import CertificateFiles, Termination
from mirrorplane.controlplane.playground.manifests import TUTORIAL, service, tutorial
from mirrorplane.controlplane.playground.proxy import EnvoyOptions
from mirrorplane.controlplane.playground.stage import Stage
from mirrorplane.controlplane.playground.stuck_servers import never_reading
from mirrorplane.controlplane.playground.workload import Workload
from mirrorplane.translators.istio.tls_parameters import CURVES
from mirrorplane.translators.parts.downstream_tls import terminating_socket
from tests.controlplane.playground.envoys import config_dump
from tests.e2e.support.envoy_wheels import INSTALLED, OLDER, envoy_binary
from tests.e2e.support.manifests import (
    join_manifests,
    mesh_config,
    nack_messages,
    route,
    until,
    until_copied,
    versions,
    virtual_service,
)
from tests.e2e.support.sidecars import PROXY_PORT, Sidecar, sidecar, sleeper
from tests.source_files import ROOT

pytestmark = pytest.mark.envoy

MIB = 1 << 20
PORT = 8000
DEADLINE_MS = 2000
VERSIONS = (*OLDER, INSTALLED)


def run_version(stage: Stage, version: str) -> None:
    """Let the Envoys that the stage starts from now on be of a version."""
    stage.envoy_options = EnvoyOptions(binary=envoy_binary(version))


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_knows_the_curves_that_are_served(version: str, tmp_path: Path) -> None:
    issued = trustme.CA().issue_cert("a")
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "pem")
    name = str(tmp_path / "pem")
    socket = terminating_socket(Termination(files=(CertificateFiles(name, name),), curves=CURVES), ())
    listener = {"name": "a", "address": {"pipe": {"path": "/a"}}}
    chain = {"transport_socket": MessageToDict(socket, preserving_proto_field_name=True)}
    config = tmp_path / "envoy.json"
    config.write_text(json.dumps({"static_resources": {"listeners": [{**listener, "filter_chains": [chain]}]}}))
    command = [envoy_binary(version), "--mode", "validate", "--config-path", str(config), "--log-level", "error"]
    validated = subprocess.run(command, capture_output=True, text=True, check=False)
    assert validated.returncode == 0, validated.stderr


def test_every_supported_minor_version_is_tested() -> None:
    assert tuple(parse_version(version) for version in VERSIONS) == SUPPORTED
    assert f"OLDER := {' '.join(OLDER)}\n" in (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("version", VERSIONS)
async def test_mirroring_works_on_every_version(stage: Stage, client: aiohttp.ClientSession, version: str) -> None:
    run_version(stage, version)
    async with Workload("v1") as v1, Workload("v2") as v2, never_reading() as stuck:
        await stage.apply(
            join_manifests(
                mesh_config({"mirroring": {"guards": {"deadline": f"{DEADLINE_MS}ms"}}}),
                tutorial(TUTORIAL[0]),
                versions("httpbin", [v1.port, v2.port]),
                *(service(name, PORT, port) for name, port in (("stuck", "http"), ("stuck-h2", "http2"))),
                *(versions(name, [stuck.port], port) for name, port in (("stuck", "http"), ("stuck-h2", "http2"))),
            )
        )
        beside = await sidecar(stage, PORT)
        _check_findings(stage, beside, version)
        await stage.apply(tutorial(TUTORIAL[1]))
        await stage.apply(tutorial(TUTORIAL[2]))
        await _copies_up_to_the_limit(client, beside, v1, v2)
        for name in ("stuck", "stuck-h2"):
            mirror = {"route": route(("httpbin", "v1", 1)), "mirror": {"host": name}}
            await stage.apply(virtual_service("httpbin", mirror))
            await _upload(client, beside, 32 * MIB)
            for _ in range(10):
                await _upload(client, beside, 900 << 10)
        assert stuck.accepted > 0
        await _until_no_copy_is_in_flight(beside)
        await _copies_of_streams(stage, client, beside, version)
    assert not nack_messages(stage)


def _check_findings(stage: Stage, beside: Sidecar, version: str) -> None:
    """The connected version is known, and reported once if it lacks anything."""
    (stream,) = stage.app.xds.statuses()
    assert stream.proxy.envoy_version == version
    # A release has what its version says: what decides for builds that leave filters out agrees with it.
    missing = missing_features(version)
    assert missing_features(version, stream.proxy.upstream_filters) == missing
    about_version = [f for f in stage.app.plane.findings.all() if f.reason == "EnvoyFeatureMissing"]
    assert [(str(f.about), f.message.split()[1].strip(",")) for f in about_version] == [
        (f"Envoy {version}", feature) for feature in missing
    ]


async def _copies_up_to_the_limit(client: aiohttp.ClientSession, beside: Sidecar, v1: Workload, v2: Workload) -> None:
    """A body of the limit is copied in full, and of a larger one nothing arrives as a request."""
    sent: list[str] = []

    async def send() -> None:
        sent.append(await _upload(client, beside, MIB))

    await until_copied(send, lambda: bool(v2.received))
    assert v2.received[0].sha256 == sent[0]
    largest = await _upload(client, beside, MIB + 1)
    assert v1.received[-1].sha256 == largest
    before = len(v2.received)
    await until_copied(send, lambda: len(v2.received) > before)  # copied after the large one would have been
    assert {copy.size for copy in v2.received} == {MIB}


async def _copies_of_streams(stage: Stage, client: aiohttp.ClientSession, beside: Sidecar, version: str) -> None:
    """Where the body limit is missing a copy of a gRPC stream waits for the client to close it; else it streams too."""
    may_close = asyncio.Event()

    async def stream() -> AsyncIterator[bytes]:
        yield b"first"
        await may_close.wait()

    async def send() -> None:
        headers = {"content-type": "application/grpc"}
        url = f"http://httpbin:{PORT}/post"
        async with client.post(url, data=stream(), headers=headers, proxy=beside.proxy) as answer:
            assert answer.status == 200

    async with recording() as recorder:
        await stage.apply(join_manifests(service("recorder", PORT), versions("recorder", [recorder.port])))
        mirror = {"route": route(("httpbin", "v1", 1)), "mirror": {"host": "recorder"}}
        await stage.apply(virtual_service("httpbin", mirror))
        if missing_features(version):
            sending = asyncio.create_task(send())
            await until(lambda: recorder.accepted > 0, "Envoy has connected to the mirror")
            assert recorder.read == b""
            may_close.set()
            await sending
            await until_copied(send, lambda: b"first" in recorder.read)
        else:
            sending = asyncio.create_task(send())
            await until(lambda: b"first" in recorder.read, "the stream's first message is copied")
            may_close.set()
            await sending


class Recorder:
    """A server that answers nothing: the bytes that it read, and how many connections it accepted."""

    def __init__(self) -> None:
        self.port, self.accepted, self.read = 0, 0, b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        with suppress(ConnectionError):
            while received := await reader.read(4096):
                self.read += received
        writer.close()


@asynccontextmanager
async def recording() -> AsyncIterator[Recorder]:
    recorder = Recorder()
    async with await asyncio.start_server(recorder.serve, "127.0.0.1", 0) as listener:
        recorder.port = listener.sockets[0].getsockname()[1]
        yield recorder


async def _upload(client: aiohttp.ClientSession, beside: Sidecar, size: int) -> str:
    """Post random bytes and return their checksum, which the workload must have too."""
    body = os.urandom(size)
    async with client.post(f"http://httpbin:{PORT}/post", data=io.BytesIO(body), proxy=beside.proxy) as answer:
        assert (answer.status, answer.headers["X-Workload"]) == (200, "v1")
        digest = hashlib.sha256(body).hexdigest()
        assert (await answer.json())["sha256"] == digest
        return digest


async def _until_no_copy_is_in_flight(beside: Sidecar) -> None:
    counters = r"^cluster\.mirror.*\.upstream_rq_(pending_)?active$"
    while sum((await beside.envoy.stats(counters)).values()):
        await asyncio.sleep(0.05)


async def test_an_upgraded_proxy_is_served_what_its_new_version_has(
    stage: Stage, client: aiohttp.ClientSession
) -> None:
    """And back: the version counts that connects, not the one that the control plane saw before."""
    async with Workload("v1") as v1, Workload("v2") as v2:
        await stage.apply(join_manifests(tutorial(TUTORIAL[0]), versions("httpbin", [v1.port, v2.port])))
        await stage.apply(tutorial(TUTORIAL[1]))
        await stage.apply(tutorial(TUTORIAL[2]))
        proxy = sleeper(PORT)
        for version in (OLDER[0], INSTALLED, OLDER[-1]):
            run_version(stage, version)
            envoy = await stage.sidecar(proxy)
            _check_findings(stage, Sidecar(envoy, proxy.ip), version)
            filters = await _mirror_filters(Sidecar(envoy, proxy.ip))
            assert filters[:-1] == (["buffer"] if missing_features(version) else ["body_size_limit", "match_delegate"])
            v2.received.clear()

            async def send() -> None:
                async with client.get(f"http://httpbin:{PORT}/headers", proxy=f"http://{proxy.ip}:{PROXY_PORT}") as got:
                    assert got.status == 200

            await until_copied(send, lambda: bool(v2.received))
            await envoy.stop()
            del stage.envoys[proxy.id]
            await until(lambda: not list(stage.app.xds.statuses()), "the proxy has left")
            assert [f for f in stage.app.plane.findings.all() if f.reason == "EnvoyFeatureMissing"] == []


async def _mirror_filters(beside: Sidecar) -> list[str]:
    """The HTTP filters of a mirror's cluster, as Envoy has them."""
    dump = await config_dump(beside.envoy)
    clusters = [c["cluster"] for d in dump["configs"] for c in d.get("dynamic_active_clusters", ())]
    [mirror] = [cluster for cluster in clusters if cluster["name"].startswith("mirror|")]
    [options] = mirror["typed_extension_protocol_options"].values()
    return [http_filter["name"].rpartition(".")[2] for http_filter in options["http_filters"]]
