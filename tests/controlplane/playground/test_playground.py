"""The playground: workloads, servers that misbehave, and real Envoys that are never left behind."""

import asyncio
import hashlib
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from mirrorplane.controlplane.playground.proxy import tied
from mirrorplane.controlplane.playground.stuck_servers import Stuck, never_reading
from mirrorplane.controlplane.playground.workload import EMPTY_SHA256, Received, Workload, access_line
from tests.controlplane.playground.hostile_servers import blackholed, reading_slowly, resetting
from tests.controlplane.playground.ports import held_ports

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a process to its parent's life")

NOW = datetime(2024, 2, 9, 11, 27, 44, tzinfo=UTC)
ROOT = Path(__file__).parents[3]


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0.005)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


# Workload


@asynccontextmanager
async def talking_to(workload: Workload) -> AsyncIterator[aiohttp.ClientSession]:
    async with workload, aiohttp.ClientSession(workload.url) as client:
        yield client


async def test_headers_are_answered_as_httpbin_does() -> None:
    async with talking_to(Workload("httpbin-v1")) as client:
        sent = {"x-b3-traceid": "1", "User-Agent": "curl/8.6.0", "Host": "httpbin:8000", "Accept-Encoding": ""}
        async with client.get("/headers", headers=sent, skip_auto_headers=["Accept"]) as answer:
            assert answer.headers["content-type"] == "application/json"
            assert answer.headers["x-workload"] == "httpbin-v1"
            text = await answer.text()
    titled = {"Accept-Encoding": "", "Host": "httpbin:8000", "User-Agent": "curl/8.6.0"}
    assert text == json.dumps({"headers": titled | {"X-B3-Traceid": "1"}}, indent=2) + "\n"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE"])
async def test_anything_echoes_every_method(method: str) -> None:
    async with talking_to(Workload("w")) as client, client.request(method, "/anything/a%20b?q=1&empty=") as answer:
        echo = await answer.json()
    assert (echo["method"], echo["args"], echo["origin"]) == (method, {"q": "1", "empty": ""}, "127.0.0.1")
    assert echo["url"].endswith("/anything/a%20b?q=1&empty=")


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_is_measured_whole(chunked: bool) -> None:
    body = os.urandom(3_000_000)

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 70_000):
            yield body[start : start + 70_000]

    workload = Workload("w")
    async with (
        talking_to(workload) as client,
        client.post("/post", data=pieces() if chunked else io.BytesIO(body)) as answer,
    ):
        echo = await answer.json()
    assert (echo["size"], echo["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
    assert (workload.received[0].size, workload.received[0].sha256) == (echo["size"], echo["sha256"])


@pytest.mark.parametrize(
    ("method", "path", "status", "size"),
    [
        ("GET", "/", 200, None),
        ("GET", "/get?x=1", 200, None),
        ("GET", "/ip", 200, None),
        ("GET", "/status/204", 204, 0),
        ("PUT", "/status/503", 503, 0),
        ("GET", "/status/700", 400, None),
        ("GET", "/status/ok", 400, None),
        ("GET", "/delay/0.01", 200, None),
        ("GET", "/delay/nan", 400, None),
        ("GET", "/delay/60", 400, None),
        ("GET", "/bytes/100000", 200, 100_000),
        ("GET", "/bytes/99999999999", 400, None),
        ("HEAD", "/bytes/10", 200, 0),
        ("POST", "/headers", 405, None),
        ("GET", "/post", 405, None),
        ("GET", "/nothing", 404, None),
    ],
)
async def test_an_endpoint_answers_with_httpbins_status(method: str, path: str, status: int, size: int | None) -> None:
    async with talking_to(Workload("w")) as client, client.request(method, path) as answer:
        body = await answer.read()
    assert answer.status == status
    assert size is None or len(body) == size


async def test_what_arrived_is_recorded_before_it_is_answered() -> None:
    lines: list[str] = []
    workload = Workload("w", log=lines.append)
    async with talking_to(workload) as client:
        async with client.get("/get?x=1", headers={"Host": "httpbin-shadow:8000", "X-Env": "staging"}):
            (received,) = workload.received
            assert len(lines) == 1
        async with client.get("/get?x=1", headers={"Host": "httpbin-shadow:8000"}):
            pass
    assert (received.method, received.path, received.host) == ("GET", "/get?x=1", "httpbin-shadow:8000")
    assert (received.headers["x-env"], received.size, received.sha256) == ("staging", 0, EMPTY_SHA256)
    assert workload.counts == {("httpbin-shadow:8000", "/get?x=1"): 2}


async def test_without_recording_requests_are_only_counted() -> None:
    workload = Workload("w", recording=False)
    async with talking_to(workload) as client:
        for _ in range(3):
            async with client.get("/headers", headers={"Host": "h"}):
                pass
    assert workload.counts == {("h", "/headers"): 3}
    assert workload.received == []


async def test_a_body_that_breaks_off_counts_as_aborted_and_not_as_received() -> None:
    async with Workload("w") as workload:
        _, writer = await asyncio.open_connection("127.0.0.1", workload.port)
        writer.write(b"POST /post HTTP/1.1\r\nhost: h\r\ncontent-length: 100\r\n\r\nonly this")
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.close()
        await writer.wait_closed()
        await until(lambda: workload.aborted == 1)
        assert not workload.received


def received(**change: Any) -> Received:
    said = {"method": "GET", "path": "/headers", "host": "httpbin-shadow:8000", "headers": {"user-agent": "curl/8.6.0"}}
    return Received(**(said | {"size": 0, "sha256": EMPTY_SHA256, "remote": "127.0.0.1"} | change))


def test_an_access_log_line_is_gunicorns_with_the_host_at_the_end() -> None:
    assert access_line(received(), web.Response(body=b"x" * 524), NOW) == (
        '127.0.0.1 - - [09/Feb/2024:11:27:44 +0000] "GET /headers HTTP/1.1" 200 524 "-" "curl/8.6.0" '
        "host=httpbin-shadow:8000"
    )


@given(st.text(), st.text(), st.text(), st.text())
def test_no_client_can_forge_an_access_log_line(path: str, host: str, agent: str, referer: str) -> None:
    asked = received(path=path, host=host, headers={"user-agent": agent, "referer": referer})
    line = access_line(asked, web.Response(body=b""), NOW)
    assert re.fullmatch(r"[ -~]*", line)
    quoted = r'"((?:[^"\\]|\\.)*)"'
    parts = re.fullmatch(rf"127\.0\.0\.1 - - \[[^]]*\] {quoted} 200 0 {quoted} {quoted} host=(.*)", line)
    assert parts
    assert json.loads(f'"{parts[3]}"') == agent


@contextmanager
def child(*command: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, **options)
    try:
        with process:
            try:
                yield process
            finally:
                process.kill()
    finally:
        process.wait()


WORKLOAD = (sys.executable, "-m", "mirrorplane.controlplane.playground.workload", "--name", "httpbin-v1")


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline()


async def fetch(url: str) -> int:
    async with aiohttp.ClientSession() as client, client.get(url, headers={"User-Agent": "curl/8.6.0"}) as answer:
        return answer.status


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_workload_process_says_where_it_listens_logs_requests_and_ends_cleanly(number: signal.Signals) -> None:
    with child(*WORKLOAD) as process:
        ready = line_of(process)
        said = re.fullmatch(
            r"\[\d{4}-\d\d-\d\d [\d:]{8} \+0000\] \[(\d+)\] \[INFO\] Listening at: (\S+) \(\1\)\n", ready
        )
        assert said
        assert int(said[1]) == process.pid
        assert await fetch(f"{said[2]}/status/418") == 418
        assert re.search(r'"GET /status/418 HTTP/1.1" 418 0 "-" "curl/8.6.0" host=127.0.0.1:\d+\n$', line_of(process))
        process.send_signal(number)
        assert process.wait(timeout=60) == 0


async def test_a_quiet_workload_process_logs_no_requests() -> None:
    with child(*WORKLOAD, "--quiet") as process:
        await fetch(line_of(process).split()[-2] + "/headers")
        process.terminate()
        assert process.stdout
        assert process.stdout.read() == ""


@needs_linux
async def test_a_workload_process_ends_when_its_parent_is_killed() -> None:
    program = f"import subprocess; subprocess.run({WORKLOAD!r})"
    with child(sys.executable, "-c", program) as parent:
        pid = int(line_of(parent).split("(")[1].split(")")[0])
        parent.kill()
        await until(lambda: not alive(pid))


# Servers that misbehave


@asynccontextmanager
async def connected_to(stuck: Stuck) -> AsyncIterator[socket.socket]:
    with socket.socket() as client:
        client.setblocking(False)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        await asyncio.get_running_loop().sock_connect(client, (stuck.address, stuck.port))
        yield client


async def test_a_server_that_never_reads_backs_up_its_sender() -> None:
    async with never_reading() as stuck, connected_to(stuck) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await asyncio.get_running_loop().sock_sendall(client, bytes(1_000_000))
        assert (stuck.accepted, stuck.read) == (1, 0)


async def test_a_slow_server_reads_everything_in_small_pieces() -> None:
    async with reading_slowly(20_000) as stuck, connected_to(stuck) as client:
        await asyncio.get_running_loop().sock_sendall(client, bytes(3_000))
        await until(lambda: stuck.read > 0)
        assert stuck.read <= 1_000
        await until(lambda: stuck.read == 3_000)


async def test_a_resetting_server_answers_half_and_resets() -> None:
    loop = asyncio.get_running_loop()
    async with resetting() as stuck, connected_to(stuck) as client:
        await loop.sock_sendall(client, b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")
        assert (await loop.sock_recv(client, 1000)).startswith(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n")
        with pytest.raises(ConnectionResetError):
            await loop.sock_recv(client, 1000)


async def test_a_stuck_server_survives_clients_that_give_up() -> None:
    async with reading_slowly(1_000_000) as stuck:
        for _ in range(3):
            async with connected_to(stuck) as client:
                await asyncio.get_running_loop().sock_sendall(client, b"x")
        await until(lambda: stuck.accepted == 3)


async def test_connections_to_a_blackholed_address_stay_in_progress() -> None:
    async with blackholed() as stuck:
        for _ in range(2):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2), connected_to(stuck):
                    pass


async def test_an_error_in_a_test_leaves_a_stuck_server_unwrapped() -> None:
    with pytest.raises(KeyError):
        async with never_reading():
            raise KeyError


# Ports


def test_a_held_port_refuses_connections_and_is_nobody_elses() -> None:
    with held_ports(3) as ports:
        assert len(set(ports)) == 3
        for port in ports:
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port))
            with socket.socket() as other, pytest.raises(OSError, match="in use"):
                other.bind(("127.0.0.1", port))
    with socket.socket() as other:
        other.bind(("127.0.0.1", ports[0]))


# What is tied to its parent

ADMIN = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}}
EMPTY = {"admin": ADMIN}
PARENT = """
import asyncio, json, sys
from controlplane.playground.proxy import EnvoyProcess

async def main():
    async with EnvoyProcess(json.loads(sys.argv[1])) as envoy:
        print(envoy.pid, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.envoy
@needs_linux
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
async def test_an_envoy_ends_with_its_parent_whatever_kills_that(tmp_path: Path, number: signal.Signals) -> None:
    command = (sys.executable, "-c", PARENT, json.dumps(EMPTY))
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with child(*command, env=environment, stderr=subprocess.DEVNULL) as parent:
        pid = int(line_of(parent))
        assert alive(pid)
        assert files_in(tmp_path)
        parent.send_signal(number)
        await until(lambda: not alive(pid))
        parent.wait(timeout=60)
    if number == signal.SIGINT:
        assert not files_in(tmp_path)


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


@needs_linux
def test_a_tied_command_does_not_start_when_its_parent_is_gone() -> None:
    command = list(tied("/bin/echo", "started"))
    command[command.index(str(os.getpid()))] = "1"  # as if the parent had died and pid 1 had adopted it
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.stdout == ("started\n" if os.getpid() == 1 else "")
