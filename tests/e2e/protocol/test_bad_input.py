"""Bad files are reported clearly, and the last valid rules keep serving, mirror included."""

import errno
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import msgspec
import pytest

from mirrorplane.api.finding import Severity
from mirrorplane.controlplane.playground.manifests import service
from mirrorplane.controlplane.playground.stage import Stage
from mirrorplane.controlplane.playground.workload import Workload
from tests.e2e.support.manifests import (
    destination_rule,
    findings,
    join_manifests,
    nack_messages,
    route,
    until,
    versions,
    virtual_service,
    virtual_service_of,
)
from tests.e2e.support.sidecars import Sidecar, sidecar

pytestmark = pytest.mark.envoy

PORT = 8000
REQUESTS = 5
MANY = 50 * 1024 * 1024
GOOD = join_manifests(
    destination_rule("web", {"v1": "v1", "v2": "v2"}),
    virtual_service("web", {"route": route(("web", "v1", 1)), "mirror": {"host": "web", "subset": "v2"}}),
)
LAUGHS = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10)
)


class Web(msgspec.Struct, frozen=True):
    """A service `web`: by `rules.yaml`, v1 answers and v2 gets copies."""

    stage: Stage
    sidecar: Sidecar
    v1: Workload
    v2: Workload
    client: aiohttp.ClientSession

    @property
    def rules(self) -> Path:
        return self.stage.folder / "rules.yaml"

    async def serves(self) -> None:
        """Send a few requests: v1 answers, v2 gets the copies."""
        before = len(self.v1.received), len(self.v2.received)
        for _ in range(REQUESTS):
            async with self.client.get(f"http://web:{PORT}/headers", proxy=self.sidecar.proxy) as answer:
                assert (answer.status, answer.headers["X-Workload"]) == (200, "v1")
        assert len(self.v1.received) == before[0] + REQUESTS
        await until(lambda: len(self.v2.received) == before[1] + REQUESTS, "the copies")


@pytest.fixture
async def web(stage: Stage, client: aiohttp.ClientSession) -> AsyncIterator[Web]:
    async with AsyncExitStack() as stack:
        v1, v2 = [await stack.enter_async_context(Workload(name)) for name in ("v1", "v2")]
        await stage.apply(join_manifests(service("web", PORT), versions("web", [v1.port, v2.port])))
        stage.write("rules.yaml", GOOD)
        await until(lambda: stage.published(lambda objects: len(objects) == 7), "the folder was read")
        world = Web(stage, await sidecar(stage, PORT), v1, v2, client)
        await world.serves()
        yield world


def replaced(old: str, new: str) -> Callable[[Path], None]:
    """Write the good rules with one change."""
    assert GOOD.count(old) == 1
    return written(GOOD.replace(old, new))


def written(text: str) -> Callable[[Path], None]:
    """Overwrite the rules in place: a concurrent reader may see half of it."""

    def write(path: Path) -> None:
        path.write_text(text)

    return write


def unreadable(path: Path) -> None:
    """Replace the rules by a file that not even root can open: a link to itself."""
    path.unlink()
    path.symlink_to(path.name)


BAD = {
    "broken YAML": (written("kind: VirtualService\nspec: [\n"), 3, "did not find expected node content"),
    "a tab": (replaced("      weight: 1", "\t     weight: 1"), 27, "found a tab character"),
    "billion laughs": (written(LAUGHS), 4, "the aliases of this file expand to over 10,000 nodes"),
    "50 MiB": (written("# much\n" * (MANY // 7 + 1)), 0, "the limit of 33,554,432"),
    "deep nesting": (written("a: " + "[" * 100_000), 1, "nested deeper than 64 levels"),
    "a binary": (written("\x00\x01\x02"), 1, "the control character U+0000"),
    "a key twice": (
        replaced("  name: web\nspec:\n  hosts", "  name: web\n  name: web\nspec:\n  hosts"),
        19,
        "duplicate key",
    ),
    "a wrong type": (replaced("weight: 1", 'weight: "1"'), 27, 'expected a whole number, got "1"'),
    "a wrong structure": (replaced("  http:\n", "  http: 5\n  other:\n"), 22, "expected a list"),
    "no kind": (replaced("kind: VirtualService", "knid: VirtualService"), 15, "kind is missing"),
    "an impossible percentage": (
        replaced("    mirror:\n", "    mirrorPercentage: {value: 101}\n    mirror:\n"),
        28,
        "101 is not a percentage between 0 and 100",
    ),
    "half a file": (written(GOOD[: GOOD.rindex("subset: v2") + 3]), 31, "could not find expected ':'"),
    "an emptied file": (written(""), 0, "the file is empty"),
    "an unreadable file": (unreadable, 0, os.strerror(errno.ELOOP)),
}
"""A change of the rules, the line of the expected finding (0: none), and words of its message."""


@pytest.mark.parametrize(("spoil", "line", "words"), BAD.values(), ids=BAD.keys())
async def test_unreadable_rules_are_reported_and_the_last_valid_ones_serve(
    web: Web, spoil: Callable[[Path], None], line: int, words: str
) -> None:
    spoil(web.rules)
    await until(lambda: any(words in f.message for f in findings(web.stage)), f"a finding that says {words!r}")
    finding = next(f for f in findings(web.stage) if words in f.message)
    assert (finding.file, finding.line, finding.severity) == (str(web.rules), line, Severity.ERROR)
    assert "; still serving " in finding.message
    await web.serves()
    assert nack_messages(web.stage) == []
    web.stage.write("rules.yaml", GOOD)
    await until(lambda: findings(web.stage) == (), "the finding goes")
    await web.serves()


async def test_a_duplicate_manifest_is_reported_and_the_first_one_serves(web: Web) -> None:
    web.stage.write("a-second.yaml", GOOD.replace("subset: v1", "subset: v2"))
    second = str(web.stage.folder / "a-second.yaml")
    await until(lambda: len(findings(web.stage)) == 2, "a finding for each of the two")
    assert [(f.file, f.line, f.reason) for f in findings(web.stage)] == [
        (second, 4, "Duplicate"),
        (second, 18, "Duplicate"),
    ]
    assert str(web.rules) in findings(web.stage)[0].message
    await web.serves()
    Path(second).unlink()
    await until(lambda: findings(web.stage) == (), "the findings go")
    await web.serves()


async def test_a_removed_folder_is_reported_and_its_objects_keep_serving(web: Web) -> None:
    away = web.stage.folder.with_name("away")
    web.stage.folder.rename(away)
    await until(lambda: findings(web.stage) != (), "a finding")
    (finding,) = findings(web.stage)
    assert (finding.file, finding.message.partition(";")[0]) == (
        str(web.stage.folder),
        f"cannot be read: {os.strerror(errno.ENOENT)}",
    )
    await web.serves()
    away.rename(web.stage.folder)
    await until(lambda: findings(web.stage) == (), "the finding goes")
    await web.serves()
    web.stage.write("rules.yaml", GOOD.replace("subset: v1", "subset: v2", 1))
    await until(lambda: _serving(web) == 2, "edits are seen again")


async def test_a_folder_that_is_deleted_and_made_anew_serves_meanwhile(web: Web) -> None:
    folder, copy = web.stage.folder, web.stage.folder.with_name("copy")
    shutil.copytree(folder, copy)
    objects = web.stage.app.plane.snapshot.objects.keys()
    shutil.rmtree(folder)
    folder.mkdir()
    await until(lambda: [f.reason for f in findings(web.stage)] == ["FilesMissing"], "a finding")
    await web.serves()
    for path in copy.iterdir():
        shutil.copy(path, folder)
        await web.serves()
        assert web.stage.app.plane.snapshot.objects.keys() == objects
    await until(lambda: findings(web.stage) == (), "the finding goes")
    await web.serves()
    assert web.stage.app.plane.snapshot.objects.keys() == objects


def _serving(web: Web) -> int:
    """The generation of the VirtualService that serves."""
    return web.stage.app.plane.snapshot.objects[virtual_service_of("web")].generation
