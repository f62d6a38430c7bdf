"""What connected proxies cost when nothing happens: memory for each, and the processor's time; prints JSON.

`python -m tests.bench.streams 1000 whole`: clients that take all that an Envoy takes of 1,000 services (clusters,
endpoints by name, listeners, routes) and have accepted it. `python -m tests.bench.streams 10000 one`: clients that
have accepted one small resource. A third word is `sotw`, or `back`: they come back, and name the clusters they hold.
The server serves one more client before memory is first looked at, so that what all
share is not counted. Each client sends a node of 60 KB, as Envoy does.
"""

import asyncio
import json
import logging
import os
import sys
import time
from pathlib import Path

import msgspec

from mirrorplane.api.resource import CLUSTER, ENDPOINT, LISTENER, ROUTE
from mirrorplane.controlplane.app import App, ServeOptions
from mirrorplane.controlplane.engine.gc_policy import trim_memory
from mirrorplane.controlplane.settings import Address
from mirrorplane.controlplane.sources.changes import Batch, Change
from tests.bench.client_process import connections_for, running_clients, until
from tests.bench.clients import ClientsSpec
from tests.bench.cold import resident
from tests.bench.gauges import cores
from tests.bench.worlds import PORT, plain_services

SERVICES = {"whole": 1000, "one": 1}
IDLE_S = 10.0
LOOK_S = 0.5


async def measure(streams: int, subscription: str, how: str = "delta") -> dict[str, float]:
    server_core, client_core = cores()
    os.sched_setaffinity(0, {server_core})
    app = App(ServeOptions((Path(os.devnull),), Address("127.0.0.1", 0), Address("127.0.0.1", 0)))
    await app.plane.update(Batch(tuple(Change(obj.ref, obj) for obj in plain_services(SERVICES[subscription]))))
    port = await app.grpc_server.start()
    resource_names = subscribe(subscription)
    clusters = tuple(resource_names[ENDPOINT]) if how == "back" else ()  # clusters have the names of their endpoints
    spec = ClientsSpec(port, 1, 1, how != "sotw", resource_names, core=client_core, held_clusters=clusters)
    all_streams = msgspec.structs.replace(spec, streams=streams, connections=connections_for(streams))
    async with running_clients(spec):
        await settled(app, 1)
        trim_memory()
        before, started, cpu = resident(), time.perf_counter(), time.process_time()
        async with running_clients(all_streams) as clients:
            await settled(app, streams + 1)
            duration, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
            trim_memory()  # as the control plane does within a minute
            after, idle = resident(), await idle_share()
            closed = (await clients.counts()).closed
    await app.grpc_server.stop(1.0)
    return {
        "connections": all_streams.connections,
        "connect_s": duration,
        "connect_cpu_s": cpu_seconds,
        "kib_per_stream": (after - before) * 1024 / streams,
        "peak_kib_per_stream": (peak() - before) * 1024 / streams,
        "idle_core": idle,
        "closed": closed,
    }


def subscribe(subscription: str) -> dict[str, list[str]]:
    if subscription == "one":
        return {ROUTE: [str(PORT)]}
    hosts = [f"svc-{number}.default.svc.cluster.local" for number in range(SERVICES[subscription])]
    names = [f"outbound|{PORT}||{host}" for host in hosts]
    return {CLUSTER: [], ENDPOINT: names, LISTENER: [], ROUTE: [str(PORT)]}


async def settled(app: App, streams: int) -> None:
    """Wait until so many streams have accepted all that they subscribed to. Polls rarely, as it costs time too."""

    def reached() -> bool:
        connected = list(app.xds.statuses())
        return len(connected) == streams and all(stream.settled for stream in connected)

    await until(reached, "all clients had accepted what they asked for", LOOK_S)


async def idle_share() -> float:
    """The share of a core that is used while nothing happens."""
    started, cpu = time.perf_counter(), time.process_time()
    await asyncio.sleep(IDLE_S)
    return (time.process_time() - cpu) / (time.perf_counter() - started)


def peak() -> float:
    """The most memory this process has had resident, in MiB."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    print(json.dumps(asyncio.run(measure(int(sys.argv[1]), *sys.argv[2:]))))
