"""Endpoints that never stop changing: 500 Pods a second move, of 1,000 services, before 100 clients; prints JSON.

The whole control plane with a source that is made up; the clients take clusters and endpoints over delta and accept
them at once. Each change is published alone, unless publishing falls behind: that is more work than the debounce of
`serve` leaves. `resources_per_change` counts what each client was sent; at most 1 is needed. Afterwards Pods are read
again that differ in ignored fields: `noop_pushes` is what that sent. `python -m tests.bench.soak 300`
"""

import asyncio
import json
import logging
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator

from mirrorplane.api.meta import AnyObject, Ref
from mirrorplane.api.resource import CLUSTER, ENDPOINT
from mirrorplane.controlplane.app import App, ServeOptions
from mirrorplane.controlplane.settings import Address
from mirrorplane.controlplane.sources.changes import Batch, Change
from mirrorplane.controlplane.sources.debounce import Debounce
from tests.bench.client_process import connections_for, running_clients, until
from tests.bench.clients import ClientsSpec
from tests.bench.cold import resident
from tests.bench.gauges import Ticker, cores, slope
from tests.bench.worlds import PORT, annotated, moved_pod, plain_services

SERVICES = 1000
STREAMS = 100
CHANGES_S = 500
TICK_S = 0.01
SAMPLE_S = 0.5
SETTLE_S = 2.0
NOOPS = 1000
NAMES = [f"outbound|{PORT}||svc-{number}.default.svc.cluster.local" for number in range(SERVICES)]


class PodChurn:
    """A source that moves one Pod after the other at a fixed rate, for so many seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.changes = seconds, 0
        self.begin, self.noop = asyncio.Event(), asyncio.Event()

    name = "churn"

    async def load(self) -> Batch:
        return batch(*plain_services(SERVICES))

    def reread(self) -> None:
        pass

    def locate(self, ref: Ref, path: str) -> None:
        return None

    async def watch(self, stop: asyncio.Event) -> AsyncIterator[Batch]:
        await self.begin.wait()
        started = time.perf_counter()
        while (passed := time.perf_counter() - started) < self.seconds:
            for obj in self._due(int(passed * CHANGES_S)):
                yield batch(obj)
            await asyncio.sleep(TICK_S)
        await self.noop.wait()
        for number in range(NOOPS):
            last = moved_pod(number % SERVICES, moves_of(number % SERVICES, self.changes))
            yield batch(annotated(last, str(number)) if number % 2 else last)

    def _due(self, until_now: int) -> Iterator[AnyObject]:
        while self.changes < until_now:
            yield moved_pod(self.changes % SERVICES, 1 + self.changes // SERVICES)
            self.changes += 1


async def measure(seconds: float) -> dict[str, float]:
    server_core, client_core = cores()
    os.sched_setaffinity(0, {server_core})
    anywhere = Address("127.0.0.1", 0)
    pod_churn = PodChurn(seconds)
    app = App(ServeOptions((), anywhere, anywhere, debounce=Debounce(quiet=0.0)), [pod_churn])
    await app.start()
    following = asyncio.create_task(app.run())
    subscribe = {CLUSTER: [], ENDPOINT: NAMES}
    clients_spec = ClientsSpec(app.xds_port, STREAMS, connections_for(STREAMS), True, subscribe, core=client_core)
    async with running_clients(clients_spec) as clients:
        await until(lambda: settled(app), "all clients had connected", SAMPLE_S)
        before = await clients.counts()
        figures = await run_churn(app, pod_churn)
        after = await clients.counts()
        pod_churn.noop.set()
        await following
        await asyncio.sleep(SETTLE_S)
        quiet = await clients.counts()
    await app.close()
    return {
        **figures,
        "resources_per_change": (after.resources - before.resources) / pod_churn.changes / STREAMS,
        "noop_pushes": quiet.messages - after.messages,
    }


async def run_churn(app: App, pod_churn: PodChurn) -> dict[str, float]:
    samples: list[tuple[float, float]] = []
    pushes, published, cpu = sent(app), app.batches, time.process_time()
    async with Ticker() as ticker:
        started = time.perf_counter()
        pod_churn.begin.set()
        while (passed := time.perf_counter() - started) < pod_churn.seconds:
            samples.append((passed / 60, resident()))
            await asyncio.sleep(SAMPLE_S)
        cpu_seconds = time.process_time() - cpu
    pending = sum(not stream.settled for stream in app.xds.statuses())
    late = time.perf_counter()
    await until(lambda: app.batches >= published + 1 and settled(app), "all clients had accepted everything", 0.1)
    warm = samples[len(samples) // 5 :]
    return {
        "changes_s": pod_churn.changes / pod_churn.seconds,
        "publishes_s": (app.batches - published) / pod_churn.seconds,
        "rss_start_mib": samples[0][1],
        "rss_end_mib": samples[-1][1],
        "rss_mib_per_min": slope(warm),
        "pending_at_end": pending,
        "drained_s": time.perf_counter() - late,
        "pushes_per_change": (sent(app) - pushes) / pod_churn.changes / STREAMS,
        "core": cpu_seconds / pod_churn.seconds,
        "lag_ms": ticker.worst_ms,
    }


def settled(app: App) -> bool:
    streams = list(app.xds.statuses())
    return len(streams) == STREAMS and all(stream.settled for stream in streams)


def sent(app: App) -> int:
    return sum(t.pushes for stream in app.xds.statuses() for t in stream.types)


def moves_of(service: int, changes: int) -> int:
    """How often the Pod of a service has moved after so many changes."""
    return (changes - service + SERVICES - 1) // SERVICES


def batch(*objects: AnyObject) -> Batch:
    return Batch(tuple(Change(obj.ref, obj) for obj in objects))


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    print(json.dumps(asyncio.run(measure(float(sys.argv[1])))))
