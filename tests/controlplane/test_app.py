"""The running control plane: what goes wrong with one change does not end the rest."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest

from mirrorplane.api.finding import Finding
from mirrorplane.api.meta import AnyObject, Ref
from mirrorplane.controlplane.app import App, ServeOptions
from mirrorplane.controlplane.configured_sources import file_source
from mirrorplane.controlplane.engine.catalogue import catalogue
from mirrorplane.controlplane.findings.format import finding_line
from mirrorplane.controlplane.observe.logs import JsonFormatter
from mirrorplane.controlplane.playground.manifests import service
from mirrorplane.controlplane.settings import Address, AddressError, parse_address
from mirrorplane.controlplane.sources.changes import Batch, Change
from tests.builders import objects

ANY = Address("127.0.0.1", 0)


async def until(reached) -> None:
    async with asyncio.timeout(60):
        while not reached():
            await asyncio.sleep(0.01)


async def test_a_change_that_cannot_be_published_does_not_stop_later_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    app = App(ServeOptions((tmp_path,), ANY, ANY))
    await app.start()
    following = asyncio.create_task(app.run())
    try:
        with monkeypatch.context() as broken:
            broken.setattr(app.plane.publisher, "publish", lambda *_: 1 / 0)
            (tmp_path / "a.yaml").write_text(service("a", 80))
            await until(lambda: "could not be published" in caplog.text)
        (tmp_path / "b.yaml").write_text(service("b", 80))
        await until(lambda: len(app.plane.snapshot.objects) == 2)
        assert "mirrorplane_publish_failures_total 1.0" in app.metrics.text().decode()
    finally:
        app.stop()
        await following
        await app.close()


async def test_the_first_of_two_folders_serves_what_both_define_and_the_second_takes_over(tmp_path: Path):
    override, base = tmp_path / "override", tmp_path / "base"
    for folder, port in ((override, 81), (base, 80)):
        folder.mkdir()
        (folder / "web.yaml").write_text(service("web", port))
    app = App(ServeOptions((), ANY, ANY), [file_source([folder], catalogue()) for folder in (override, base)])
    await app.start()
    following = asyncio.create_task(app.run())
    web = Ref("Service", "default", "web")

    def port() -> int:
        return app.plane.snapshot.objects[web].spec.ports[0].port

    try:
        assert port() == 81
        [finding] = app.plane.findings.all()
        assert (finding.about, finding.reason, finding.file) == (web, "Shadowed", str(override / "web.yaml"))
        assert finding.message.startswith(f"also defined in {base}, without effect")
        (override / "web.yaml").unlink()
        await until(lambda: port() == 80)
        assert app.plane.findings.all() == ()
        app.internal.put(msgspec.structs.replace(app.plane.snapshot.objects[web], labels={"by": "hand"}))
        await until(lambda: app.plane.snapshot.objects[web].labels == {"by": "hand"})
        app.internal.remove(web)
        await until(lambda: app.plane.snapshot.objects[web].labels == {})
    finally:
        app.stop()
        await following
        await app.close()


class SlowSource:
    """A source whose second object comes only when `complete` is set."""

    name = "slow"

    def __init__(self, loaded: AnyObject, watched: AnyObject) -> None:
        self.loaded, self.watched = loaded, watched
        self.complete = asyncio.Event()

    async def load(self) -> Batch:
        return Batch((Change(self.loaded.ref, self.loaded),), synced=False)

    async def watch(self, stop: asyncio.Event) -> AsyncIterator[Batch]:
        await self.complete.wait()
        yield Batch((Change(self.watched.ref, self.watched),))
        await stop.wait()

    def reread(self) -> None:
        pass

    def locate(self, ref: Ref, path: str) -> None:
        return None


async def test_proxies_are_not_served_before_all_sources_are_synced(caplog: pytest.LogCaptureFixture):
    source = SlowSource(*objects(service("a", 80) + "---\n" + service("b", 80)))
    app = App(ServeOptions((), ANY, ANY), [source])
    await app.start()
    assert "waiting to serve proxies: not everything could be read from the command line, slow" in caplog.text
    following = asyncio.create_task(app.run())
    try:
        async with aiohttp.ClientSession() as client:
            url = f"http://127.0.0.1:{app.admin_port}/readyz"
            async with client.get(f"{url}?verbose") as answer:
                assert answer.status == 503
                lines = (await answer.text()).splitlines()
                assert lines == [
                    "[-]read: the command line, slow",
                    "[-]listening: xDS on 127.0.0.1:0",
                    "not serving yet",
                ]
            assert app.xds_port == 0
            source.complete.set()
            await until(lambda: app.xds_port)
            assert len(app.plane.snapshot.objects) == 2
            async with client.get(url) as answer:
                assert answer.status == 200
    finally:
        app.stop()
        await following
        await app.close()


async def test_each_changed_object_has_a_line_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    (tmp_path / "a.yaml").write_text(service("a", 80))
    app = App(ServeOptions((tmp_path,), ANY, ANY))
    await app.start()
    following = asyncio.create_task(app.run())
    try:
        assert "Service" not in caplog.text, "what is there at the start is only counted"
        (tmp_path / "b.yaml").write_text("\n\n" + service("b", 80))
        await until(lambda: "added Service default/b" in caplog.text)
        (tmp_path / "a.yaml").write_text(service("a", 81))
        await until(lambda: "changed Service default/a" in caplog.text)
        (tmp_path / "b.yaml").unlink()
        await until(lambda: "deleted Service default/b" in caplog.text)
    finally:
        app.stop()
        await following
        await app.close()
    added = next(record for record in caplog.records if "added" in record.getMessage())
    assert added.getMessage().endswith(f"({tmp_path}/b.yaml:3)")
    assert (
        json.loads(JsonFormatter().format(added)).items()
        >= {
            "op": "added",
            "kind": "Service",
            "namespace": "default",
            "name": "b",
            "file": f"{tmp_path}/b.yaml",
            "line": 3,
        }.items()
    )


async def test_a_node_id_that_names_no_proxy_is_a_bad_request(tmp_path: Path):
    app = App(ServeOptions((tmp_path,), ANY, ANY))
    await app.start()
    try:
        async with aiohttp.ClientSession() as client:
            for node in ("nonsense", "sidecar~not-an-ip~a.b~b.svc.cluster.local"):
                url = f"http://127.0.0.1:{app.admin_port}/debug/resources"
                async with client.get(url, params={"proxy": node}) as answer:
                    assert answer.status == 400
                    assert node in (await answer.json())["error"]
    finally:
        await app.close()


async def test_debug_pages_are_read_by_the_name_of_this_machine_only(tmp_path: Path):
    app = App(ServeOptions((tmp_path,), ANY, ANY))
    await app.start()
    try:
        async with aiohttp.ClientSession() as client:
            url = f"http://127.0.0.1:{app.admin_port}/debug/findings"
            for host, status in (("localhost:1", 200), ("[::1]:1", 200), ("evil.example", 403)):
                async with client.get(url, headers={"Host": host}) as answer:
                    assert answer.status == status, host
    finally:
        await app.close()


async def test_of_many_findings_at_once_some_are_logged_and_the_rest_is_counted(tmp_path: Path, caplog):
    rule = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: r%d}\nspec: {host: '?'}\n"
    (tmp_path / "many.yaml").write_text("---\n".join(rule % number for number in range(150)))
    app = App(ServeOptions((tmp_path,), ANY, ANY))
    await app.start()
    await app.close()
    logged = [line for line in caplog.messages if "InvalidHost" in line]
    assert len(logged) == 100
    assert "and 50 more: see `mirrorplane check` or /debug/findings" in caplog.messages


def test_user_text_cannot_forge_a_line_of_the_report():
    finding = Finding(Ref("a/B", "ns", "n"), "Reason", "bad\nfile:1: error Forged\x1b[31m", "spec.x\ny")
    assert "\n" not in finding_line(finding)
    assert "\x1b" not in finding_line(finding)


@pytest.mark.parametrize(
    ("text", "host", "port"), [("127.0.0.1:1", "127.0.0.1", 1), ("[::1]:0", "::1", 0), ("a.b:80", "a.b", 80)]
)
def test_an_address_is_host_and_port(text: str, host: str, port: int):
    assert parse_address(text) == Address(host, port)
    assert str(parse_address(text)) == text


@pytest.mark.parametrize("text", ["", ":1", "1", "a:", "a:b", "a:-1", "a:65536", "a:\u0661"])
def test_a_malformed_address_is_rejected(text: str):
    with pytest.raises(AddressError, match="is not an address"):
        parse_address(text)


def test_only_loopback_is_loopback():
    assert Address("127.8.8.8", 1).is_loopback
    assert Address("::1", 1).is_loopback
    assert Address("localhost", 1).is_loopback
    assert not Address("0.0.0.0", 1).is_loopback
    assert not Address("example.com", 1).is_loopback


@pytest.fixture(autouse=True)
def _log_everything(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
