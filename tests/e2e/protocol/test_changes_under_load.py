"""200 random edits while requests are sent: none may fail."""

import asyncio
import random
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

import pytest

from mirrorplane.api.kinds.istio.virtual_service import VIRTUAL_SERVICE
from mirrorplane.controlplane.playground.manifests import service
from mirrorplane.controlplane.playground.stage import Stage
from tests.e2e.conftest import PROTOCOLS
from tests.e2e.support.counting_server import counting_server
from tests.e2e.support.http_load import Address, direct_request, flood, proxy_request, steady_load
from tests.e2e.support.manifests import (
    NO_ACCESS_LOG,
    destination_rule,
    findings,
    join_manifests,
    mesh_config,
    nack_messages,
    route,
    until,
    until_copied,
    versions,
    virtual_service,
)
from tests.e2e.support.sidecars import PROXY_PORT, Sidecar, sidecar
from tests.profiles import seed_of_run

pytestmark = pytest.mark.envoy

ROUNDS = 200
PAUSE_S = 0.25  # the longest between two edits: long enough for some to be read alone, short enough for some not to be
HOSTS = ("a", "b", "c")
"""Hosts that always exist. Each has two versions, and rules that keep changing."""

PORTS = (8000, 8001)
EXTRAS = tuple(f"x{i}" for i in range(6))
"""Services that are added and removed, on ports that others use too."""

LAST = "last"
BROKEN = ("kind: [", "a: b: c\n", "apiVersion: v1\nkind: Service\n", "- just\n- a list\n", "\x00", "{{ template }}\n")


class Editor:
    """An impatient editor: each edit replaces one file of the folder, valid or not.

    Every edit leaves the hosts routable: a route's subsets are in the same file as the route.
    """

    def __init__(self, stage: Stage, dice: random.Random, copy_port: int) -> None:
        self._stage, self._dice, self._copy_port = stage, dice, copy_port
        self._names: dict[str, tuple[str, str]] = {}
        self._edits: tuple[Callable[[], None], ...] = (
            *(self.rules,) * 6,
            *(self.extra,) * 3,
            *(self.copy_endpoints,) * 2,
            self.break_a_file,
            self.mesh,
            self.forget_rules,
        )

    def edit(self) -> None:
        self._dice.choice(self._edits)()

    def rules(self) -> None:
        """Rewrite a host's rules with new subset names, weights and mirrors."""
        host = self._dice.choice(HOSTS)
        primary, secondary = self._dice.sample(["v1", "v2", "blue", "green", "stable"], 2)
        share = self._dice.choice([0, 1, 10, 50, 99, 100])
        targets = [(host, primary, share), (host, secondary, 100 - share)]
        destinations = route(*(self._dice.choice([targets, [(host, primary, 1)], [(host, "", 1)]])))
        rule = {"route": destinations, **self._mirrors(host, secondary)}
        self._write(host, destination_rule(host, {primary: "v1", secondary: "v2"}), virtual_service(host, rule))

    def extra(self) -> None:
        """Add, change or remove a service, and perhaps rules for it."""
        name = self._dice.choice(EXTRAS)
        if self._dice.random() < 0.3:
            (self._stage.folder / f"{name}.yaml").unlink(missing_ok=True)
            return
        protocol = self._dice.choice(["http", "http2-x", "tcp-x", "plain", "grpc"])
        port = self._dice.choice([*PORTS, 8002, 8003])
        rule = {"route": route((name, "", 1)), **self._mirrors("a", "v1")}
        manifests = [service(name, port, protocol), versions(name, [self._copy_port], protocol)]
        self._write(name, *manifests, *([virtual_service(name, rule)] if self._dice.random() < 0.5 else []))

    def copy_endpoints(self) -> None:
        """Remove the endpoints of a mirror's target, or restore them."""
        path = self._stage.folder / "copy-pods.yaml"
        if path.exists():
            path.unlink()
        else:
            self._write("copy-pods", versions("copy", [self._copy_port]))

    def break_a_file(self) -> None:
        """Overwrite valid rules with something unreadable: the last valid ones keep serving."""
        self._write(self._dice.choice([*HOSTS, *EXTRAS]), self._dice.choice(BROKEN))

    def forget_rules(self) -> None:
        """Remove a host's rules: both versions answer, nothing is mirrored."""
        (self._stage.folder / f"{self._dice.choice(HOSTS)}.yaml").unlink(missing_ok=True)

    def mesh(self) -> None:
        """Change something that every listener or every mirror has."""
        guards = {"maxBodyBytes": self._dice.choice([1 << 16, 1 << 20]), "deadline": self._dice.choice(["1s", "5s"])}
        log = self._dice.choice(["", "/dev/null"])
        self._write("mesh", mesh_config({"accessLogFile": log, "mirroring": {"guards": guards}}))

    def write_final_rules(self) -> None:
        """Write the final rules: v1 answers, everything is mirrored to `copy`."""
        self._write("copy-pods", versions("copy", [self._copy_port]))
        for host in HOSTS:
            rule = {"name": LAST, "route": route((host, "v1", 1)), "mirror": {"host": "copy"}}
            self._write(host, destination_rule(host, {"v1": "v1"}), virtual_service(host, rule))
        for name in EXTRAS:
            (self._stage.folder / f"{name}.yaml").unlink(missing_ok=True)

    def _mirrors(self, host: str, subset: str) -> Mapping[str, Any]:
        """Return zero to two mirrors; some targets do not exist."""
        targets: list[dict[str, Any]] = [
            {"host": "copy"},
            {"host": host, "subset": subset},
            {"host": host, "subset": "nowhere"},
            {"host": "nobody"},
            {"host": self._dice.choice(EXTRAS)},
        ]
        percent = {"value": self._dice.choice([0, 0.5, 10, 50, 100])}
        match self._dice.randrange(3):
            case 0:
                return {}
            case 1:
                return {"mirror": self._dice.choice(targets), "mirrorPercentage": percent}
        return {"mirrors": [{"destination": target, "percentage": percent} for target in self._dice.sample(targets, 2)]}

    def _write(self, name: str, *manifests: str) -> None:
        self._stage.write(f"{name}.yaml", join_manifests(*manifests))


@pytest.mark.random
@PROTOCOLS
async def test_random_edits_fail_no_request(stage: Stage, delta: bool) -> None:
    seed = seed_of_run()
    print(f"MIRRORPLANE_TEST_SEED={seed}")
    dice = random.Random(seed)
    async with AsyncExitStack() as stack:
        v1, v2, copy = [await stack.enter_async_context(counting_server(name)) for name in ("v1", "v2", "copy")]
        stage.write("mesh.yaml", NO_ACCESS_LOG)
        both = [v1.port, v2.port]
        for i, host in enumerate(HOSTS):
            stage.write(f"{host}-service.yaml", join_manifests(service(host, PORTS[i % 2]), versions(host, both)))
        stage.write("copy.yaml", service("copy", PORTS[0]))
        count = 1 + 5 * len(HOSTS) + 1
        await until(lambda: stage.published(lambda objects: len(objects) == count), "the folder was read")
        envoy = await sidecar(stage, *PORTS, 8002, 8003, delta=delta)
        editor = Editor(stage, dice, copy.port)
        async with steady_load(_choices(envoy), seed) as load:
            for _ in range(ROUNDS):
                editor.edit()
                await asyncio.sleep(dice.random() * PAUSE_S)
            editor.write_final_rules()
            await until(lambda: _is_last_edit_published(stage) and findings(stage) == (), "the last edit was read")
            await stage.settled()
        assert (dict(load.failed), load.answered) == ({}, load.sent), f"seed {seed}"
        assert nack_messages(stage) == []
        assert envoy.envoy.log() == ""
        copy.paths.clear()

        async def send() -> None:
            answers = await flood((envoy.address, PROXY_PORT), [proxy_request(_authority(h), "/last") for h in HOSTS])
            assert [answer.workload for answer in answers] == ["v1"] * len(HOSTS)

        await until_copied(send, lambda: all(copy.count(_shadow_authority(host)) for host in HOSTS))


def _is_last_edit_published(stage: Stage) -> bool:
    """Tell whether the final rules are the only ones and their snapshot is published."""
    plane = stage.app.plane
    if plane.published != plane.snapshot.version:
        return False
    objects = plane.snapshot.objects
    rules = {ref.name: obj.spec.http[0].name for ref, obj in objects.items() if ref.kind == VIRTUAL_SERVICE.key}
    return rules == dict.fromkeys(HOSTS, LAST)


def _choices(envoy: Sidecar) -> list[tuple[Address, bytes]]:
    """A request to every host, through the HTTP proxy and through its own port."""
    by_port = [((envoy.address, PORTS[i % 2]), direct_request(host)) for i, host in enumerate(HOSTS)]
    return [*by_port, *(((envoy.address, PROXY_PORT), proxy_request(_authority(host))) for host in HOSTS)]


def _authority(host: str) -> str:
    return f"{host}:{PORTS[HOSTS.index(host) % 2]}"


def _shadow_authority(host: str) -> str:
    return f"{host}-shadow:{PORTS[HOSTS.index(host) % 2]}"
