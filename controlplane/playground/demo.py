"""`mirrorplane demo`: Istio's mirroring tutorial with real Envoys on this machine, then a mirror that is stuck.

Every step says what it does, does it through a folder, a control plane and Envoys like a user's own, and looks at what
the workloads logged. A step that does not come out as it should ends the demo with what was expected.
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

from mirrorplane.api.proxy import Proxy
from mirrorplane.controlplane.app import ListenError
from mirrorplane.controlplane.playground.logged_workload import LoggedWorkload
from mirrorplane.controlplane.playground.manifests import TUTORIAL, local_pod, service, tutorial
from mirrorplane.controlplane.playground.proxy import EnvoyFailedError, EnvoyMissingError
from mirrorplane.controlplane.playground.stage import Stage, StageError
from mirrorplane.controlplane.playground.stuck_servers import Stuck, never_reading

REQUESTS = 10
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
    """A step did not come out as it should. The message says what was expected, and what happened."""


class Tally:
    """What the client saw."""

    def __init__(self) -> None:
        self.sent = self.by_v1 = self.failed = 0


class Cast(msgspec.Struct, frozen=True):
    """Who is on the stage."""

    stage: Stage
    v1: LoggedWorkload
    v2: LoggedWorkload
    stuck: Stuck
    client: aiohttp.ClientSession
    proxies: tuple[str, ...]
    tally: Tally
    say: Console


def play(*, keep: bool) -> int:
    """Play the demo; returns the exit code. With `keep` everything stays up until Ctrl-C."""
    say = Console(highlight=False, soft_wrap=True)
    try:
        asyncio.run(_play(say, keep=keep))
    except KeyboardInterrupt:
        say.print("\nStopped; nothing is left running.")
        return 0 if keep else 130
    except UnexpectedError as error:
        say.print(f"\n[bold red]Not as it should be:[/] {error}")
    except (StageError, EnvoyMissingError, EnvoyFailedError, ListenError) as error:
        say.print(f"\n[bold red]Error:[/] {error}")
    else:
        return 0
    return 1


async def _play(say: Console, *, keep: bool) -> None:
    async with AsyncExitStack() as stack:
        cast = await _set_up(stack, say)
        await _default_policy(cast)
        await _mirror(cast)
        await _stuck_mirror(cast)
        _sum_up(cast)
        if keep:
            await _keep(cast)


async def _set_up(stack: AsyncExitStack, say: Console) -> Cast:
    _title(say, 0, "A mesh on this machine: a control plane, two workloads, two Envoys")
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
        say.print(
            f"  Envoy for {name}: {'delta' if delta else 'state-of-the-world'} xDS, HTTP proxy on {proxy.ip}:15080"
        )
    say.print(f"  httpbin-v1 on 127.0.0.1:{v1.port}, httpbin-v2 on 127.0.0.1:{v2.port}, manifests in {folder}")
    client = await stack.enter_async_context(aiohttp.ClientSession(timeout=_TIMEOUT))
    return Cast(stage, v1, v2, stuck, client, tuple(proxies), Tally(), say)


async def _default_policy(cast: Cast) -> None:
    _title(cast.say, 1, "Default policy: all requests go to v1")
    await cast.stage.apply(tutorial(TUTORIAL[1]))
    cast.say.print("  applied the tutorial's VirtualService and DestinationRule")
    await _send(cast, REQUESTS)
    await cast.v1.logged(REQUESTS, _COPY_S)
    _show(cast)
    _expect("v1 logs every request", len(cast.v1.lines), REQUESTS)
    _expect("v2 logs nothing", len(cast.v2.lines), 0)


async def _mirror(cast: Cast) -> None:
    _title(cast.say, 2, "Mirror: v1 answers, v2 gets a copy of every request")
    before = len(cast.v1.lines)
    await cast.stage.apply(tutorial(TUTORIAL[2]))
    cast.say.print("  applied the tutorial's VirtualService with mirror: subset v2, mirrorPercentage 100")
    await _send(cast, REQUESTS)
    await cast.v1.logged(before + REQUESTS, _COPY_S)
    await cast.v2.logged(REQUESTS, _COPY_S)
    _show(cast)
    _expect("v1 logs every request", len(cast.v1.lines) - before, REQUESTS)
    _expect("v2 logs a copy of every request", len(cast.v2.lines), REQUESTS)
    shadows = sum(line.endswith("host=httpbin-shadow:8000") for line in cast.v2.lines)
    _expect("every copy has the host httpbin-shadow:8000", shadows, REQUESTS)


async def _stuck_mirror(cast: Cast) -> None:
    megabytes = UPLOAD_BYTES >> 20
    _title(cast.say, 3, f"A stuck mirror: it accepts connections and never reads, while {megabytes} MiB are uploaded")
    before = cast.stuck.accepted
    await cast.stage.apply(_STUCK_RULE)
    cast.say.print("  applied a VirtualService whose mirror is stuck; without guards, Envoy would hold back the upload")
    began = time.monotonic()
    size, checksum, expected = await _upload(cast)
    _expect("v1 received every byte", size, UPLOAD_BYTES)
    _expect("v1 received the same bytes", checksum, expected)
    await _send(cast, REQUESTS)
    cast.say.print(
        f"  the upload took {time.monotonic() - began:.2f} s, and {REQUESTS} more requests were answered by v1"
    )
    _expect("the stuck mirror was really connected to", cast.stuck.accepted > before, True)
    _expect("the stuck mirror read nothing", cast.stuck.read, 0)


async def _send(cast: Cast, count: int) -> None:
    """Send requests through both Envoys in turn, as curl with http_proxy would."""
    for i in range(count):
        cast.tally.sent += 1
        proxy = cast.proxies[i % len(cast.proxies)]
        try:
            async with cast.client.get(f"{_URL}/headers", proxy=proxy) as answer:
                _count(cast.tally, answer)
        except (aiohttp.ClientError, TimeoutError):
            cast.tally.failed += 1
    _expect("no request fails", cast.tally.failed, 0)


async def _upload(cast: Cast) -> tuple[int, str, str]:
    """Upload through the first Envoy; returns the size and checksum v1 saw, and the checksum sent."""
    digest = hashlib.sha256()
    columns = (TextColumn("  upload"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeElapsedColumn())
    with Progress(*columns, console=cast.say) as progress:
        task = progress.add_task("upload", total=UPLOAD_BYTES)

        async def body() -> AsyncIterator[bytes]:
            for _ in range(UPLOAD_BYTES // _CHUNK):
                chunk = os.urandom(_CHUNK)
                digest.update(chunk)
                yield chunk
                progress.advance(task, _CHUNK)

        cast.tally.sent += 1
        try:
            async with cast.client.post(f"{_URL}/post", data=body(), proxy=cast.proxies[0]) as answer:
                _count(cast.tally, answer)
                said = await answer.json()
        except (aiohttp.ClientError, TimeoutError) as error:
            cast.tally.failed += 1
            raise UnexpectedError(
                f"the upload should be answered by v1, but: {error or type(error).__name__}"
            ) from error
    return said["size"], said["sha256"], digest.hexdigest()


def _count(tally: Tally, answer: aiohttp.ClientResponse) -> None:
    if answer.status == 200 and answer.headers.get("X-Workload") == "httpbin-v1":  # noqa: PLR2004 - HTTP's OK
        tally.by_v1 += 1
    else:
        tally.failed += 1


def _expect(what: str, seen: object, wanted: object) -> None:
    if seen != wanted:
        raise UnexpectedError(f"{what}: expected {wanted}, saw {seen}")


def _show(cast: Cast) -> None:
    for workload in (cast.v1, cast.v2):
        last = workload.lines[-1] if workload.lines else "<none>"
        cast.say.print(f"  {workload.name} logged {len(workload.lines)}, last: [dim]{last}[/]", markup=True)


def _sum_up(cast: Cast) -> None:
    table = Table("", "count", title="Summary", title_justify="left")
    for what, count in (
        ("requests sent", cast.tally.sent),
        ("answered by v1", cast.tally.by_v1),
        ("copies seen by v2", len(cast.v2.lines)),
        ("failures", cast.tally.failed),
    ):
        table.add_row(what, str(count))
    cast.say.print()
    cast.say.print(table)


async def _keep(cast: Cast) -> None:
    folder, proxy = cast.stage.folder, cast.proxies[0]
    cast.say.print("\nEverything stays up until Ctrl-C. To try, in another terminal:")
    cast.say.print(f"  curl -x {proxy} {_URL}/headers")
    cast.say.print(f"  ls {folder}   # edit a file: the Envoys follow")
    cast.say.print(f"  curl http://127.0.0.1:{cast.stage.app.admin_port}/debug/proxies")
    await cast.stage.apply(tutorial(TUTORIAL[2]))
    seen = {workload.name: len(workload.lines) for workload in (cast.v1, cast.v2)}
    while True:
        await asyncio.sleep(0.1)
        for workload in (cast.v1, cast.v2):
            for line in workload.lines[seen[workload.name] :]:
                cast.say.print(f"  {workload.name}: {line}", markup=False)
            seen[workload.name] = len(workload.lines)


def _cluster(v1: LoggedWorkload, v2: LoggedWorkload, stuck: Stuck) -> dict[str, str]:
    """Return what a cluster would already hold: the tutorial's Service, and Pods for what runs here."""
    pods = [local_pod(w.name, "httpbin", {"app": "httpbin", "version": v}, w.port) for w, v in ((v1, "v1"), (v2, "v2"))]
    return {
        "service.yaml": tutorial(TUTORIAL[0]),
        "pods.yaml": "---\n".join(pods),
        "stuck.yaml": service("stuck", 8000) + "---\n" + local_pod("stuck", "stuck", {"app": "stuck"}, stuck.port),
    }


def _address(index: int) -> str:
    """Return a loopback address of its own for a sidecar, so that two can both listen on port 8000."""
    return f"127.{1 + os.getpid() % 250}.0.{2 + index}"


def _title(say: Console, step: int, title: str) -> None:
    say.print(f"\n[bold]{step}. {title}[/]")
