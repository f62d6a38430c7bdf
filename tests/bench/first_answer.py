"""From writing a route to its first answer through a real Envoy, N routes one after the other; prints JSON.

`mirrorplane serve` follows a folder; the next file is written when the one before is answered 200, while 100 requests
a second go to routes that were there before: none of those may fail. Control plane, Envoy, backend and client are a
process each. `python -m tests.bench.first_answer 300 hosts`: see `gateway_worlds` for `hosts` and `paths`. Two more
words are how many routes there are before (20), and the control plane's `--debounce-quiet`: 0ms, unless it is said,
since a series of changes without a pause would wait 100 ms for each.
"""

import asyncio
import json
import os
import random
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import msgspec
import yaml

from mirrorplane.api.meta import AnyObject
from mirrorplane.bootstrap.envoy import XdsAddress, bootstrap
from mirrorplane.controlplane.engine.catalogue import catalogue
from mirrorplane.controlplane.playground.manifests import local_pod, service
from mirrorplane.controlplane.playground.proxy import EnvoyProcess, tied
from tests.bench import gateway_worlds
from tests.bench.gauges import p50, p99
from tests.bench.worlds import PORT
from tests.e2e.support.sidecars import free_address

LISTENER, XDS, ADMIN = 8000, 15010, 15014
AGE_S = 10.0
PROBE_S = 0.01
POLL_S = 0.001
EACH_S = 30.0
ENDS = 50
KINDS = {kind.key: kind for kind in catalogue().kinds}


class Client:
    """Requests routes at a router, and counts failures of those that existed before."""

    def __init__(self, session: aiohttp.ClientSession, address: str, kind: str) -> None:
        self._session, self._address, self.kind = session, address, kind
        self.probes = self.errors = 0
        self.slowest_ms = 0.0

    async def ask(self, number: int) -> int:
        host, path = gateway_worlds.asked(self.kind, number)
        url = f"http://{self._address}:{LISTENER}{path if path != '/' else '/anything'}"
        async with self._session.get(url, headers={"Host": host}) as answer:
            await answer.read()
            return answer.status

    async def answered(self, number: int) -> None:
        """Request a route until it is answered 200."""
        deadline = time.perf_counter() + EACH_S
        while await self.ask(number) != 200:
            assert time.perf_counter() < deadline, f"route {number} is not there after {EACH_S:g} s"
            await asyncio.sleep(POLL_S)

    async def probe(self, numbers: list[int]) -> None:
        """Request existing routes 100 times a second, without waiting for earlier answers."""
        dice = random.Random(7)
        async with asyncio.TaskGroup() as group:
            while True:
                group.create_task(self._probe_once(dice.choice(numbers)))
                await asyncio.sleep(PROBE_S)

    async def _probe_once(self, number: int) -> None:
        started = time.perf_counter()
        self.probes += 1
        try:
            self.errors += await self.ask(number) != 200
        except aiohttp.ClientError:
            self.errors += 1
        self.slowest_ms = max(self.slowest_ms, (time.perf_counter() - started) * 1000)


async def measure(count: int, kind: str, before: int, quiet: str) -> dict[str, float]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = free_port()
        session = await stack.enter_async_context(aiohttp.ClientSession())
        await stack.enter_async_context(running("mirrorplane.controlplane.playground.workload", *_workload(port)))
        for i in range(gateway_worlds.SERVICES):
            name = f"svc-{i}"
            text = "---\n".join((service(name, PORT), local_pod(name, name, {"app": name}, port)))
            (folder / f"{name}.yaml").write_text(text)
        for obj in (*gateway_worlds.gateway(LISTENER), *(gateway_worlds.route(kind, i) for i in range(before))):
            write(folder, obj)
        ip = free_address(LISTENER, XDS, ADMIN)
        serve = ("serve", "-f", str(folder), "--debounce-quiet", quiet, "--admin-address", f"{ip}:{ADMIN}")
        await stack.enter_async_context(running("mirrorplane.controlplane.cli", *serve, "--xds-address", f"{ip}:{XDS}"))
        await _ready(session, f"http://{ip}:{ADMIN}/readyz")
        proxy = gateway_worlds.router(ip)
        await stack.enter_async_context(EnvoyProcess(bootstrap(proxy, XdsAddress(ip, XDS))))
        return await one_by_one(folder, Client(session, proxy.ip, kind), count, before)


async def one_by_one(folder: Path, client: Client, count: int, before: int) -> dict[str, float]:
    answered_routes, times = list(range(before)), list[float]()
    for number in answered_routes:
        await client.answered(number)
    probing = asyncio.create_task(client.probe(answered_routes))
    for number in range(before, before + count):
        obj, started = gateway_worlds.route(client.kind, number), time.perf_counter()
        write(folder, obj)
        await client.answered(number)
        times.append((time.perf_counter() - started) * 1000)
        answered_routes.append(number)
    probing.cancel()
    with suppress(asyncio.CancelledError):
        await probing
    return {
        "mean_ms": statistics.mean(times),
        "p50_ms": p50(times),
        "p99_ms": p99(times),
        "max_ms": max(times),
        "first_ms": statistics.mean(times[:ENDS]),
        "last_ms": statistics.mean(times[-ENDS:]),
        "probes": client.probes,
        "probe_errors": client.errors,
        "probe_slowest_ms": client.slowest_ms,
    }


def write(folder: Path, obj: AnyObject) -> None:
    """Put a manifest into the folder in one step, whole and not new, so that it is not waited for (see `quiet`)."""
    kind = KINDS[obj.ref.kind]
    metadata = {"name": obj.ref.name, **({"namespace": obj.ref.namespace} if kind.namespaced else {})}
    version = f"{kind.group}/{kind.versions[0]}" if kind.group else kind.versions[0]
    head = {"apiVersion": version, "kind": kind.name, "metadata": {**metadata, "creationTimestamp": obj.created}}
    text = yaml.safe_dump({**head, "spec": msgspec.to_builtins(obj.spec)})
    part = folder / f".{kind.name} {obj.ref.name}.part"
    part.write_text(text)
    os.utime(part, (0, time.time() - AGE_S))
    part.replace(folder / f"{kind.name} {obj.ref.name}.yaml")


@asynccontextmanager
async def running(module: str, *arguments: str) -> AsyncIterator[None]:
    """Run a module of ours as a process of its own."""
    with tempfile.TemporaryFile() as log:
        process = await asyncio.create_subprocess_exec(
            *tied(sys.executable, "-m", module, *arguments), stdout=asyncio.subprocess.DEVNULL, stderr=log
        )
        try:
            yield
        finally:
            if process.returncode is None:
                process.terminate()
                await process.wait()
            else:
                log.seek(0)
                print(f"{module} ended: {log.read()[-2000:].decode()}", file=sys.stderr)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _workload(port: int) -> tuple[str, ...]:
    return ("--name", "web", "--port", str(port), "--quiet")


async def _ready(session: aiohttp.ClientSession, url: str) -> None:
    for _ in range(1000):
        with suppress(aiohttp.ClientError):
            async with session.get(url) as answer:
                if answer.status == 200:
                    return
        await asyncio.sleep(0.02)
    raise TimeoutError("the control plane is not ready after 20 s")


if __name__ == "__main__":
    arguments = sys.argv[1:] + ["20", "0ms"][len(sys.argv) - 3 :]
    print(json.dumps(asyncio.run(measure(int(arguments[0]), arguments[1], int(arguments[2]), arguments[3]))))
