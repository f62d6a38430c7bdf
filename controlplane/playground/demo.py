"""`mirrorplane demo`: Istio's mirroring tutorial with real Envoys on this machine, then a mirror that hangs.

Every step says what it does, does it with a folder, a control plane and Envoys like a user's own, and checks what the
workloads logged. A failed check ends the demo with what was expected and what happened.
"""

import asyncio
import hashlib
import os
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import msgspec
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn, TransferSpeedColumn
from rich.table import Table
from rich.text import Text

from mirrorplane.api.proxy import Proxy
from mirrorplane.controlplane.app import ListenError
from mirrorplane.controlplane.playground.logged_workload import LoggedWorkload
from mirrorplane.controlplane.playground.manifests import TUTORIAL, local_pod, service, tutorial
from mirrorplane.controlplane.playground.proxy import EnvoyFailedError, EnvoyMissingError
from mirrorplane.controlplane.playground.stage import Stage, StageError
from mirrorplane.controlplane.playground.stuck_servers import Stuck, never_reading

REQUESTS = 10
# Without guards, a mirror that never reads stalls an upload at about 5 MB. See decision 0001.
UPLOAD_BYTES = 64 << 20
_CHUNK = 1 << 16
_COPY_S = 5.0
_TIMEOUT = aiohttp.ClientTimeout(total=60)
_URL = "http://httpbin:8000"
_STUCK_RULE = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: httpbin
spec:
  hosts:
    - httpbin
  http:
  - route:
    - destination:
        host: httpbin
        subset: v1
    mirror:
      host: stuck
"""


class UnexpectedError(RuntimeError):
    """A check failed. The message says what was expected, and what happened."""


class ClientCounts:
    """What the client saw: requests sent, answered by v1, and failed."""

    def __init__(self) -> None:
        self.sent = self.by_v1 = self.failed = 0


class Demo(msgspec.Struct, frozen=True):
    """Everything that runs during the demo."""

    stage: Stage
    v1: LoggedWorkload
    v2: LoggedWorkload
    stuck: Stuck
    client: aiohttp.ClientSession
    proxies: tuple[str, ...]
    counts: ClientCounts
    console: Console


def play(*, keep: bool) -> int:
    """Run the demo; returns the exit code: 1 when a check failed, 2 when it could not run.

    With `keep` everything keeps running until Ctrl-C. Errors go to stderr.
    """
    # Without markup: brackets in a path, a log line or `pip install 'mirrorplane[demo]'` are text.
    console = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
    errors = Console(highlight=False, soft_wrap=True, markup=False, emoji=False, stderr=True)
    try:
        asyncio.run(_play(console, keep=keep))
    except KeyboardInterrupt:
        console.print("\nStopped; no process is left running.")
        return 0 if keep else 130
    except UnexpectedError as error:
        errors.print(Text.assemble(("Check failed:", "bold red"), f" {error}"))
        return 1
    except (StageError, EnvoyMissingError, EnvoyFailedError, ListenError) as error:
        errors.print(Text.assemble(("Error:", "bold red"), f" {error}"))
        return 2
    return 0


async def _play(console: Console, *, keep: bool) -> None:
    async with AsyncExitStack() as stack:
        demo = await _set_up(stack, console)
        await _default_policy(demo)
        await _mirror(demo)
        await _stuck_mirror(demo)
        _sum_up(demo)
        if keep:
            await _keep(demo)


async def _set_up(stack: AsyncExitStack, console: Console) -> Demo:
    _title(console, 0, "A mesh on this machine: a control plane, two workloads, two Envoys")
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mirrorplane-demo-")))
    v1, v2 = [await stack.enter_async_context(LoggedWorkload(f"httpbin-{v}")) for v in ("v1", "v2")]
    stuck = await stack.enter_async_context(never_reading())
    for name, manifest in _cluster(v1, v2, stuck).items():
        (folder / name).write_text(manifest)
    stage = await stack.enter_async_context(Stage(folder))
    proxies = []
    for i, (name, delta) in enumerate((("sleep", True), ("notsleep", False))):
        proxy = Proxy("sidecar", name, "default", ip=_address(i), labels={"app": name})
        await stage.sidecar(proxy, delta=delta)
        proxies.append(f"http://{proxy.ip}:15080")
        console.print(
            f"  Envoy for {name}: {'delta' if delta else 'state-of-the-world'} xDS, HTTP proxy on {proxy.ip}:15080"
        )
    console.print(f"  httpbin-v1 on 127.0.0.1:{v1.port}, httpbin-v2 on 127.0.0.1:{v2.port}, manifests in {folder}")
    client = await stack.enter_async_context(aiohttp.ClientSession(timeout=_TIMEOUT))
    return Demo(stage, v1, v2, stuck, client, tuple(proxies), ClientCounts(), console)


async def _default_policy(demo: Demo) -> None:
    _title(demo.console, 1, "Default policy: all requests go to v1")
    await demo.stage.apply(tutorial(TUTORIAL[1]))
    demo.console.print("  applied the tutorial's VirtualService and DestinationRule")
    await _send(demo, REQUESTS)
    await demo.v1.logged(REQUESTS, _COPY_S)
    _show(demo)
    _expect("v1 logs every request", len(demo.v1.lines), REQUESTS)
    _expect("v2 logs nothing", len(demo.v2.lines), 0)


async def _mirror(demo: Demo) -> None:
    _title(demo.console, 2, "Mirror: v1 answers, v2 gets a copy of every request")
    before = len(demo.v1.lines)
    await demo.stage.apply(tutorial(TUTORIAL[2]))
    demo.console.print("  applied the tutorial's VirtualService with mirror: subset v2, mirrorPercentage 100")
    await _send(demo, REQUESTS)
    await demo.v1.logged(before + REQUESTS, _COPY_S)
    await demo.v2.logged(REQUESTS, _COPY_S)
    _show(demo)
    _expect("v1 logs every request", len(demo.v1.lines) - before, REQUESTS)
    _expect("v2 logs a copy of every request", len(demo.v2.lines), REQUESTS)
    shadows = sum(line.endswith("host=httpbin-shadow:8000") for line in demo.v2.lines)
    _expect("every copy has the host httpbin-shadow:8000", shadows, REQUESTS)


async def _stuck_mirror(demo: Demo) -> None:
    megabytes = UPLOAD_BYTES >> 20
    _title(demo.console, 3, f"A stuck mirror: it accepts connections and never reads ({megabytes} MiB upload)")
    before = demo.stuck.accepted
    await demo.stage.apply(_STUCK_RULE)
    demo.console.print("  applied a VirtualService whose mirror is stuck; without guards, Envoy would stall the upload")
    began = time.monotonic()
    size, checksum, expected = await _upload(demo)
    _expect("v1 received every byte", size, UPLOAD_BYTES)
    _expect("v1 received the same bytes", checksum, expected)
    await _send(demo, REQUESTS)
    demo.console.print(
        f"  the upload took {time.monotonic() - began:.2f} s, and {REQUESTS} more requests were answered by v1"
    )
    _expect("Envoy connected to the stuck mirror", demo.stuck.accepted > before, True)
    _expect("the stuck mirror read nothing", demo.stuck.read, 0)


async def _send(demo: Demo, count: int) -> None:
    """Send requests through both Envoys in turn, as curl does with http_proxy."""
    for i in range(count):
        demo.counts.sent += 1
        proxy = demo.proxies[i % len(demo.proxies)]
        try:
            async with demo.client.get(f"{_URL}/headers", proxy=proxy) as answer:
                _count(demo.counts, answer)
        except (aiohttp.ClientError, TimeoutError):
            demo.counts.failed += 1
    _expect("no request fails", demo.counts.failed, 0)


async def _upload(demo: Demo) -> tuple[int, str, str]:
    """Upload through the first Envoy; returns the size and checksum that v1 received, and the checksum sent."""
    digest = hashlib.sha256()
    columns = (TextColumn("  upload"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeElapsedColumn())
    with Progress(*columns, console=demo.console) as progress:
        task = progress.add_task("upload", total=UPLOAD_BYTES)

        async def body() -> AsyncIterator[bytes]:
            for _ in range(UPLOAD_BYTES // _CHUNK):
                chunk = os.urandom(_CHUNK)
                digest.update(chunk)
                yield chunk
                progress.advance(task, _CHUNK)

        demo.counts.sent += 1
        try:
            async with demo.client.post(f"{_URL}/post", data=body(), proxy=demo.proxies[0]) as answer:
                _count(demo.counts, answer)
                received = await answer.json()
        except (aiohttp.ClientError, TimeoutError) as error:
            demo.counts.failed += 1
            raise UnexpectedError(
                f"v1 answers the upload: expected 200, saw {error or type(error).__name__}"
            ) from error
    return received["size"], received["sha256"], digest.hexdigest()


def _count(counts: ClientCounts, answer: aiohttp.ClientResponse) -> None:
    if answer.status == 200 and answer.headers.get("X-Workload") == "httpbin-v1":  # noqa: PLR2004 - HTTP's OK
        counts.by_v1 += 1
    else:
        counts.failed += 1


def _expect(what: str, actual: object, expected: object) -> None:
    if actual != expected:
        raise UnexpectedError(f"{what}: expected {expected}, saw {actual}")


def _show(demo: Demo) -> None:
    for workload in (demo.v1, demo.v2):
        last = workload.lines[-1] if workload.lines else "<none>"
        demo.console.print(Text.assemble(f"  {workload.name} logged {len(workload.lines)}, last: ", (last, "dim")))


def _sum_up(demo: Demo) -> None:
    table = Table("", "count", title="Summary", title_justify="left")
    for what, count in (
        ("requests sent", demo.counts.sent),
        ("answered by v1", demo.counts.by_v1),
        ("copies received by v2", len(demo.v2.lines)),
        ("failures", demo.counts.failed),
    ):
        table.add_row(what, str(count))
    demo.console.print()
    demo.console.print(table)


async def _keep(demo: Demo) -> None:
    folder, proxy = demo.stage.folder, demo.proxies[0]
    demo.console.print("\nEverything keeps running until Ctrl-C. Try in another terminal:")
    demo.console.print(f"  curl -x {proxy} {_URL}/headers")
    demo.console.print(f"  ls {folder}   # edit a file: the Envoys are updated")
    demo.console.print(f"  curl http://127.0.0.1:{demo.stage.app.admin_port}/debug/proxies")
    await demo.stage.apply(tutorial(TUTORIAL[2]))
    printed = {workload.name: len(workload.lines) for workload in (demo.v1, demo.v2)}
    while True:
        await asyncio.sleep(0.1)
        for workload in (demo.v1, demo.v2):
            for line in workload.lines[printed[workload.name] :]:
                demo.console.print(f"  {workload.name}: {line}")
            printed[workload.name] = len(workload.lines)


def _cluster(v1: LoggedWorkload, v2: LoggedWorkload, stuck: Stuck) -> dict[str, str]:
    """Return the manifests that a cluster would already hold: the tutorial's Service, and Pods for what runs here."""
    pods = [local_pod(w.name, "httpbin", {"app": "httpbin", "version": v}, w.port) for w, v in ((v1, "v1"), (v2, "v2"))]
    return {
        "service.yaml": tutorial(TUTORIAL[0]),
        "pods.yaml": "---\n".join(pods),
        "stuck.yaml": service("stuck", 8000) + "---\n" + local_pod("stuck", "stuck", {"app": "stuck"}, stuck.port),
    }


def _address(index: int) -> str:
    """Return a sidecar's own loopback address, so that two sidecars can both listen on port 8000."""
    # By process, so that two demos can run beside each other.
    return f"127.{1 + os.getpid() % 250}.0.{2 + index}"


def _title(console: Console, step: int, title: str) -> None:
    console.print(f"\n{step}. {title}", style="bold")
