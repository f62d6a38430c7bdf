"""Commands that ask a running control plane: selection, formats, waiting and watching."""

import asyncio
import json
import signal
import sys
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from click.testing import CliRunner, Result

from mirrorplane import __version__
from mirrorplane.api.resource import CLUSTER, ENDPOINT
from mirrorplane.controlplane.app import App, ServeOptions
from mirrorplane.controlplane.cli import cli
from mirrorplane.controlplane.playground.manifests import service
from mirrorplane.controlplane.settings import Address
from tests.controlplane.xds.grpc_peers import ADS, Peer
from tests.e2e.support.manifests import join_manifests, route, until, virtual_service

ANY = Address("127.0.0.1", 0)
MIRRORED = {
    "route": route(("web", "", 1)),
    "mirror": {"host": "next", "port": {"number": 8000}},
    "mirrorPercentage": {"value": 12.5},
}
GATEWAY = """\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: web}
spec:
  selector: {app: edge}
  servers:
  - {hosts: ["*"], port: {number: 8080, name: http, protocol: HTTP}}
"""


@pytest.fixture(autouse=True)
def logging_of_pytest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands run in a thread here: they must not take the log away from the control plane beside them."""
    monkeypatch.setattr("mirrorplane.controlplane.observe.logs.start_logging", lambda *_, **__: None)


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[App]:
    (tmp_path / "services.yaml").write_text(join_manifests(service("web", 8000), service("next", 8000)))
    (tmp_path / "web.yaml").write_text(join_manifests(virtual_service("web", MIRRORED), GATEWAY))
    app = App(ServeOptions((tmp_path,), ANY, ANY))
    await app.start()
    following = asyncio.create_task(app.run())
    yield app
    app.stop()
    await following
    await app.close()


async def run(app: App, *args: object) -> Result:
    command = [*map(str, args), "--admin-address", f"127.0.0.1:{app.admin_port}"]
    return await asyncio.to_thread(CliRunner().invoke, cli, command)


async def connect(channel: grpc.aio.Channel, name: str = "sleep.default") -> Peer:
    namespace = name.partition(".")[2]
    node_id = f"sidecar~10.0.0.7~{name}~{namespace}.svc.cluster.local"
    peer = Peer(channel, f"{ADS}/StreamAggregatedResources", delta=False, node_id=node_id)
    await peer.send(CLUSTER)
    return peer


async def acknowledge(peer: Peer) -> None:
    response = await peer.read()
    await peer.send(response.type_url, version_info=response.version_info, response_nonce=response.nonce)


async def test_status_has_virtual_services_and_mirrors(app: App):
    result = await run(app, "status")
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["default", "web", "True", "True", "False"] in lines
    target = ["next.default.svc.cluster.local:8000", "12.5", "%", "MirrorHasNoEndpoints"]
    assert ["default", "VirtualService/web", "spec.http[0].mirror", *target] in lines
    assert "VirtualService default/web: Programmed=False (Pending): no proxy is connected" in result.stdout


async def test_status_says_why_no_copy_arrives(app: App, tmp_path: Path):
    (tmp_path / "services.yaml").write_text(service("web", 8000))
    await until(lambda: any(f.reason == "MirrorHostNotFound" for f in app.plane.findings.all()), "next is gone")
    result = await run(app, "status", "vs/web", "-o", "json")
    [item] = json.loads(result.stdout)["items"]
    assert [mirror["state"] for mirror in item["mirrors"]] == ["MirrorHostNotFound"]
    resolved = next(c for c in item["status"]["conditions"] if c["type"] == "ResolvedRefs")
    assert (resolved["status"], resolved["reason"]) == ("False", "MirrorHostNotFound")


async def test_status_shows_an_object_that_was_rejected(app: App, tmp_path: Path):
    (tmp_path / "bad.yaml").write_text(virtual_service("bad", {"route": route(("web", "", 1)), "timeout": "soon"}))
    await until(lambda: any(f.about.name == "bad" for f in app.plane.findings.all()), "it was rejected")
    result = await run(app, "status", "virtualservice", "bad")
    assert ["default", "bad", "False"] in [line.split() for line in result.stdout.splitlines()]
    assert "spec.http[0].timeout" in result.stdout


@pytest.mark.parametrize(
    ("args", "names"),
    [
        (["vs"], {"virtualservice.networking.istio.io/web"}),
        (["VirtualServices/web"], {"virtualservice.networking.istio.io/web"}),
        (["vs/default/web", "gw/web"], {"virtualservice.networking.istio.io/web", "gateway.networking.istio.io/web"}),
        (["gateway.networking.istio.io"], {"gateway.networking.istio.io/web"}),
        (["-n", "default"], {"virtualservice.networking.istio.io/web", "gateway.networking.istio.io/web"}),
        (["-n", "shop"], set()),
        (["-n", "shop", "-A", "vs", "web"], {"virtualservice.networking.istio.io/web"}),
    ],
)
async def test_objects_are_selected_as_kubectl_does(app: App, args: list[str], names: set[str]):
    result = await run(app, "status", "-o", "name", *args)
    assert (result.exit_code, set(result.stdout.split())) == (0, names)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["vs/none"], "virtualservice/none not found"),
        (["vs/web", "-n", "shop"], "virtualservice/web not found in namespace shop"),
        (["gateway.gateway.networking.k8s.io"], "gateway.gateway.networking.k8s.io not found"),
        (["vs/a/b/c"], "'vs/a/b/c' is not TYPE, TYPE/NAME or TYPE/NAMESPACE/NAME"),
        (["virtualservce"], "virtualservce not found: did you mean virtualservice?"),
        (["vs/a", "gw"], "write TYPE/NAME for each object, or TYPE NAME ..."),
    ],
)
async def test_a_selection_of_nothing_is_an_error(app: App, args: list[str], message: str):
    result = await run(app, "status", *args)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"Error: {message}")


async def test_wait_ends_when_proxies_have_accepted(app: App):
    async with grpc.aio.insecure_channel(f"127.0.0.1:{app.xds_port}") as channel:
        peer = await connect(channel)
        await until(lambda: any(s.types for s in app.xds.statuses()), "the proxy is connected")
        waiting = asyncio.create_task(run(app, "status", "vs/web", "--wait", "--timeout", "60s"))
        await acknowledge(peer)
        result = await waiting
    assert result.exit_code == 0, result.output
    assert ["default", "web", "True", "True", "True"] in [line.split() for line in result.stdout.splitlines()]


async def test_wait_gives_up_with_1_and_the_reason(app: App):
    async with grpc.aio.insecure_channel(f"127.0.0.1:{app.xds_port}") as channel:
        await connect(channel)
        await until(lambda: any(s.types for s in app.xds.statuses()), "the proxy is connected")
        result = await run(app, "status", "vs/web", "--wait", "--timeout", "300ms")
        missing = await run(app, "status", "vs/none", "--wait", "--timeout", "100ms")
    assert (result.exit_code, missing.exit_code) == (1, 1)
    assert "1 of 1 proxies have not accepted the last update yet: sleep.default" in result.stderr
    assert result.stderr.endswith("not ready after 0.3 s\n")
    assert missing.stderr.startswith("virtualservice/none not found")


def test_waiting_and_watching_need_a_running_control_plane(tmp_path: Path):
    (tmp_path / "web.yaml").write_text(service("web", 8000))
    for flag in ("-w", "--wait"):
        result = CliRunner().invoke(cli, ["status", "-f", str(tmp_path), flag])
        assert result.exit_code == 2
        assert "need a running control plane: leave out -f" in result.stderr


async def test_watch_prints_what_changes_until_interrupted(app: App, tmp_path: Path):
    where = f"127.0.0.1:{app.admin_port}"
    command = [sys.executable, "-m", "mirrorplane.controlplane.cli", "status", "-w", "vs", "--admin-address", where]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        await _line_with(process.stdout, "VirtualService/web")
        (tmp_path / "more.yaml").write_text(virtual_service("next", {"route": route(("next", "", 1))}))
        await _line_with(process.stdout, "next")
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 130
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _line_with(stream: asyncio.StreamReader, text: str) -> None:
    async with asyncio.timeout(60):
        while text not in (await stream.readline()).decode():
            pass


async def test_watch_ends_when_the_control_plane_does(app: App):
    watching = asyncio.create_task(run(app, "proxies", "-w"))
    await until(lambda: bool(app.admin._event_streams._open), "it watches")
    await app.admin.stop()
    result = await watching
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (2, "Error: the control plane stopped")


@pytest.mark.parametrize(
    ("args", "names"),
    [
        ([], ["sleep.default", "sleep.shop"]),
        (["-n", "shop"], ["sleep.shop"]),
        (["sleep"], ["sleep.default", "sleep.shop"]),
        (["shop/sleep"], ["sleep.shop"]),
        (["sleep.default"], ["sleep.default"]),
    ],
)
async def test_proxies_are_selected_by_name_and_namespace(app: App, args: list[str], names: list[str]):
    async with grpc.aio.insecure_channel(f"127.0.0.1:{app.xds_port}") as channel:
        peers = [await connect(channel, name) for name in ("sleep.default", "sleep.shop")]
        await until(lambda: len(list(app.xds.statuses())) == len(peers), "both are connected")
        result = await run(app, "proxies", "-o", "name", *args)
        none = await run(app, "proxies", "nobody")
    assert result.stdout.split() == names
    assert (none.exit_code, none.stderr) == (2, "Error: no proxy nobody is connected\n")


async def test_a_row_has_the_node_as_the_proxy_describes_it(app: App):
    async with grpc.aio.insecure_channel(f"127.0.0.1:{app.xds_port}") as channel:
        peer = Peer(channel, f"{ADS}/DeltaAggregatedResources", delta=True)
        await peer.send(ENDPOINT)
        await until(lambda: any(app.xds.statuses()), "it is connected")
        [row] = json.loads((await run(app, "proxies", "-o", "json")).stdout)
    assert row["node"].items() >= {"role": "sidecar", "name": "sleep", "namespace": "default", "ip": "10.0.0.7"}.items()


async def test_the_environment_names_the_control_plane(app: App):
    environment = {"MIRRORPLANE_ADMIN": f"127.0.0.1:{app.admin_port}"}
    command = ["status", "vs", "-o", "name"]
    result = await asyncio.to_thread(lambda: CliRunner(env=environment).invoke(cli, command))
    assert result.stdout == "virtualservice.networking.istio.io/web\n"


async def test_render_and_explain_answer_for_a_connected_proxy(app: App, tmp_path: Path):
    async with grpc.aio.insecure_channel(f"127.0.0.1:{app.xds_port}") as channel:
        await connect(channel)
        await until(lambda: any(app.xds.statuses()), "it is connected")
        routes = json.loads((await run(app, "render", "--proxy", "sleep", "--type", "routes", "-o", "json")).stdout)
        request = ["GET", "http://web:8000/", "-H", "x: y", "--random", "0"]
        live = await run(app, "explain", "--proxy", "sleep.default", *request)
        by_files = await run(app, "explain", "-f", tmp_path, "--proxy", "sleep.default", *request)
        wrong = await run(app, "explain", "--proxy", "sleep", "GET", "web")
        unknown = await run(app, "render", "--proxy", "nobody")
    assert {configuration["name"] for configuration in routes} == {"8000", "http_proxy"}
    assert "12.5 % of the requests" in live.stdout
    assert live.stdout == by_files.stdout
    assert (wrong.exit_code, wrong.stderr) == (2, "Error: invalid URL 'web': write http://host:port/path\n")
    assert (unknown.exit_code, unknown.stderr.count("\n")) == (2, 1)


async def test_a_node_file_needs_manifests(app: App, tmp_path: Path):
    node = tmp_path / "node.yaml"
    node.write_text("name: sleep")
    for command in (["render"], ["explain", "GET", "http://web/"]):
        result = await run(app, *command, "--proxy", node)
        assert result.exit_code == 2
        assert "a node file needs manifests (-f)" in result.stderr


async def test_diff_compares_files_with_what_is_served(app: App, tmp_path: Path):
    new = tmp_path.parent / f"{tmp_path.name}-new"
    new.mkdir()
    for file in tmp_path.glob("*.yaml"):
        (new / file.name).write_text(file.read_text().replace("value: 12.5", "value: 25.0"))
    async with grpc.aio.insecure_channel(f"127.0.0.1:{app.xds_port}") as channel:
        none = await run(app, "diff", "-f", new)
        peers = [await connect(channel, name) for name in ("a.default", "b.default", "c.shop")]
        await until(lambda: len(list(app.xds.statuses())) == len(peers), "all are connected")
        same = await run(app, "diff", "-f", tmp_path)
        changed = await run(app, "diff", "-f", new, "-n", "default")
    assert (none.exit_code, none.stderr.partition(":")[0]) == (2, "Error")
    assert (same.exit_code, same.stdout) == (0, "")
    assert same.stderr.startswith("proxies compared: 2, affected: 0;"), "one of each scope"
    assert changed.exit_code == 1
    assert "proxy a.default (sidecar default)" in changed.stdout
    assert "12.5 % of the requests" in changed.stdout
    assert "25 % of the requests" in changed.stdout


SECRET_WORDS = ("Bearer s3cr3t-t0ken", "session=hunter2", "the body")
SECRETIVE = {
    "match": [{"headers": {"cookie": {"exact": SECRET_WORDS[1]}}}],
    "directResponse": {"status": 200, "body": {"string": SECRET_WORDS[2]}},
}


async def test_a_bug_report_is_complete_and_has_no_secrets(app: App, tmp_path: Path):
    adds = {"request": {"set": {"authorization": SECRET_WORDS[0], "x-plain": "visible"}}}
    rules = virtual_service("web", SECRETIVE, {**MIRRORED, "headers": adds})
    (tmp_path / "web.yaml").write_text(rules)
    path = tmp_path / "report.tar.gz"
    async with grpc.aio.insecure_channel(f"127.0.0.1:{app.xds_port}") as channel:
        peers = [await connect(channel, name) for name in ("a.default", "b.default", "c.shop")]
        await until(lambda: len(list(app.xds.statuses())) == len(peers), "all are connected")
        await until(
            lambda: any("x-plain" in str(obj) for obj in app.plane.snapshot.objects.values()), "the rules are read"
        )
        result = await run(app, "bug-report", path)
    assert result.exit_code == 0, result.output
    assert path.stat().st_mode & 0o777 == 0o600
    with tarfile.open(path) as archive:
        files = {member.name: archive.extractfile(member).read().decode() for member in archive}  # type: ignore[union-attr]
    names = {name.partition("/")[2] for name in files}
    assert names >= {"README.txt", "versions.json", "metrics.txt", "findings.json", "status.json", "proxies.json"}
    assert len([name for name in names if name.startswith("resources/")]) == 2, "one of each scope"
    text = "".join(files.values())
    assert "visible" in text
    assert "authorization" in text
    assert [word for word in SECRET_WORDS if word in text] == []


async def test_half_a_bug_report_is_not_left_behind(tmp_path: Path):
    path = tmp_path / "report.tar.gz"
    result = await asyncio.to_thread(
        CliRunner().invoke, cli, ["bug-report", str(path), "--admin-address", "127.0.0.1:1"]
    )
    assert result.exit_code == 2
    assert not path.exists()


async def test_version_asks_client_server_and_proxies(app: App):
    async with grpc.aio.insecure_channel(f"127.0.0.1:{app.xds_port}") as channel:
        await connect(channel)
        await until(lambda: any(app.xds.statuses()), "it is connected")
        answer = json.loads((await run(app, "version", "-o", "json")).stdout)
        text = (await run(app, "version")).stdout
    assert answer["client"] == answer["server"]
    assert answer["client"]["version"] == __version__
    assert sum(answer["proxies"].values()) == 1
    assert [line.split()[0] for line in text.splitlines()] == ["client", "server", "proxies"]


def test_the_version_of_the_client_needs_no_server():
    nowhere = ["--admin-address", "127.0.0.1:1"]
    alone = CliRunner().invoke(cli, ["version", "--client", *nowhere])
    assert (alone.exit_code, alone.stdout.split()[:2]) == (0, ["client", __version__])
    asking = CliRunner().invoke(cli, ["version", *nowhere])
    assert (asking.exit_code, asking.stdout) == (2, alone.stdout)
    assert "cannot connect to 127.0.0.1:1" in asking.stderr


async def test_completion_knows_connected_proxies(app: App):
    words = f"mirrorplane explain --admin-address 127.0.0.1:{app.admin_port} --proxy sl"
    environment = {"_MIRRORPLANE_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": "5"}
    runner = CliRunner(env=environment)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{app.xds_port}") as channel:
        await connect(channel)
        await until(lambda: any(app.xds.statuses()), "it is connected")
        result = await asyncio.to_thread(lambda: runner.invoke(cli, prog_name="mirrorplane"))
    assert result.stdout.splitlines() == ["plain,sleep.default", "file,sl"]
