"""What people see of connected proxies: the rows of /debug/proxies, and `mirrorplane proxies`."""

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import grpc
import msgspec
import pytest
from click.testing import CliRunner

from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds.istio.sidecar import SIDECAR
from mirrorplane.api.meta import Ref
from mirrorplane.api.proxy import Locality, Proxy, Scope, Visibility
from mirrorplane.api.resource import CLUSTER, ENDPOINT, LISTENER, ROUTE
from mirrorplane.controlplane.app import App, ServeOptions
from mirrorplane.controlplane.cli import cli
from mirrorplane.controlplane.playground.manifests import service
from mirrorplane.controlplane.query.proxies import COLUMNS, proxy_rows, table_cells
from mirrorplane.controlplane.settings import Address
from mirrorplane.controlplane.xds.status import StreamStatus, TypeStatus
from tests.controlplane.xds.grpc_peers import ADS, Peer
from tests.e2e.support.manifests import until

ANY = Address("127.0.0.1", 0)
NOON = 1_800_000_000.0
A, B = Proxy("sidecar", "a", "default"), Proxy("sidecar", "b", "default", labels={"version": "v2"})


def status(type_url: str, **fields) -> TypeStatus:
    defaults = {"sent": "s", "acked": "s", "nack": None, "wildcard": True, "subscribed": 0, "pushes": 1}
    return TypeStatus(type_url, **{**defaults, "in_flight": False, "pending": False, **fields})


@pytest.mark.parametrize(
    ("fields", "state", "synced"),
    [
        ({}, "SYNCED", True),
        ({"in_flight": True}, "STALE", False),
        ({"pending": True}, "STALE", False),
        ({"pending": True, "pushes": 0, "sent": "", "acked": ""}, "NOT SENT", False),
        ({"pushes": 0, "sent": "", "acked": ""}, "SYNCED", True),  # it came back with all there is
        ({"nack": "no"}, "REJECTED", False),
        ({"nack": "", "in_flight": True}, "REJECTED", False),
    ],
)
def test_a_type_is_in_one_of_four_states(fields: dict, state: str, synced: bool):
    [row] = proxy_rows(
        [StreamStatus(A, "delta", NOON, (status(ROUTE, **fields),))], [Scope("sidecar", Visibility("x"))], NOON
    )
    assert (row.types["RDS"].state, row.types["RDS"].synced) == (state, synced)


def test_a_row_is_plain_and_says_everything():
    streams = [
        StreamStatus(B, "sotw", NOON - 90, (status(ROUTE, nack="bad", subscribed=2), status(CLUSTER))),
        StreamStatus(A, "delta", NOON - 5, ()),
    ]
    here = Locality("eu", "a")
    visibility = Visibility("default", Ref(SIDECAR.key, "default", "own"))
    scope = Scope("sidecar", visibility, labels=(("version", "v2"),), locality=here, policy_labels=(("app", "b"),))
    row_a, row_b = proxy_rows(streams, [scope, scope], NOON)
    assert msgspec.json.decode(msgspec.json.encode(row_b)) == {
        "id": "sidecar~127.0.0.1~b.default~default.svc.cluster.local",
        "role": "sidecar",
        "name": "b",
        "namespace": "default",
        "identity": "",
        "scope": {
            "role": "sidecar",
            "namespace": "default",
            "sidecar": "Sidecar default/own",
            "domain": "cluster.local",
            "labels": {"version": "v2"},
            "gateways": [],
            "bind": "127.0.0.1",
            "unprivileged": False,
            "intercepted": False,
            "workload_labels": {},
            "workload_address": "",
            "identity": "",
            "locality": {"region": "eu", "zone": "a", "subzone": ""},
            "locality_labels": {},
            "policy_labels": {"app": "b"},
            "client_certificate_gateway": "",
            "secret_gateways": [],
            "missing_features": [],
        },
        "sharing_scope": 2,
        "variant": "sotw",
        "since": "2027-01-15T07:58:30Z",
        "age_seconds": 90.0,
        "types": {
            "CDS": {**plain(CLUSTER), "state": "SYNCED", "synced": True, "nack": None, "subscribed": 0},
            "RDS": {**plain(ROUTE), "state": "REJECTED", "synced": False, "nack": "bad", "subscribed": 2},
        },
        "problems": [],
        "node": msgspec.to_builtins(B),
    }
    assert list(row_b.types) == ["CDS", "RDS"]
    assert row_a.name == "a"
    assert table_cells(row_b)[0][2] == "sidecar default version=v2 app=b eu/a Sidecar default/own (+1)"


def plain(type_url: str) -> dict:
    return {"type_url": type_url, "sent": "s", "acked": "s", "pushes": 1, "wildcard": True}


def test_a_line_is_what_istios_people_expect():
    types = (status(CLUSTER), status(LISTENER, in_flight=True), status(ROUTE, nack="bad\nforged \x1b[31m"))
    [row] = proxy_rows([StreamStatus(B, "sotw", NOON - 7200, types)], [Scope("sidecar", Visibility("default"))], NOON)
    cells, nacks = table_cells(row)
    assert dict(zip(COLUMNS, cells, strict=True)) == {
        "NAME": "b.default",
        "VERSION": "-",
        "SCOPE": "sidecar default",
        "CDS": "SYNCED",
        "LDS": "STALE",
        "EDS": "-",
        "RDS": "REJECTED",
        "AGE": "2h",
    }
    assert table_cells(row, wide=True)[0][3] == "SYNCED s"
    assert nacks == ["RDS rejected: bad\\nforged \\x1b[31m"]


@pytest.mark.parametrize(
    ("seconds", "age"), [(0, "0s"), (59.9, "59s"), (60, "1m"), (3599, "59m"), (3600, "1h"), (200_000, "2d"), (-5, "0s")]
)
def test_an_age_is_spelt_as_kubectl_does(seconds: float, age: str):
    [row] = proxy_rows([StreamStatus(A, "sotw", NOON - seconds, ())], [Scope("sidecar", Visibility("default"))], NOON)
    assert table_cells(row)[0][-1] == age


def test_a_wide_line_says_which_versions_were_accepted_and_sent():
    types = (
        status(CLUSTER, sent="0123456789", acked="0123456789"),
        status(LISTENER, sent="abcdef0123", acked="0123456789", in_flight=True),
        status(ROUTE, sent="abcdef0123", acked="", nack="no"),
    )
    [row] = proxy_rows([StreamStatus(A, "sotw", NOON, types)], [Scope("sidecar", Visibility("default"))], NOON)
    cells = table_cells(row, wide=True)[0]
    assert cells[3:7] == ("SYNCED 01234567", "STALE 01234567 (sent abcdef01)", "-", "REJECTED none (sent abcdef01)")


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[App]:
    (tmp_path / "web.yaml").write_text(service("web", 80))
    app = App(ServeOptions((tmp_path,), ANY, ANY))
    await app.start()
    yield app
    await app.close()


async def mirrorplane(*args: object) -> tuple[int, str]:
    """Run the command line in a process of its own; returns its exit code and all it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "mirrorplane.controlplane.cli", *map(str, args)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, printed.decode()


async def test_the_command_shows_connected_proxies_and_escapes_what_they_say(app: App):
    where = f"127.0.0.1:{app.admin_port}"
    assert await mirrorplane("proxies", "--admin-address", where) == (0, "no proxies are connected\n")
    async with grpc.aio.insecure_channel(f"127.0.0.1:{app.xds_port}") as channel:
        peer = Peer(channel, f"{ADS}/DeltaAggregatedResources", delta=True)
        await peer.send(ENDPOINT, resource_names_subscribe=["outbound|80||web.default.svc.cluster.local"])
        response = await peer.read()
        await peer.send(ENDPOINT, response_nonce=response.nonce, error="no\n\x1b[31mforged")
        await until(lambda: next(app.xds.statuses()).types[0].nack is not None, "the proxy complained")
        code, table = await mirrorplane("proxies", "--admin-address", where)
        listed = await mirrorplane("proxies", "--admin-address", where, "-o", "json")
    heading, line, nack = table.splitlines()
    assert code == 0
    assert heading.split() == list(COLUMNS)
    *columns, age = line.split()
    assert columns == ["sleep.default", "-", "sidecar", "default", "-", "-", "REJECTED", "-"]
    assert age.endswith("s")
    assert nack == "sleep.default: EDS rejected: no\\n\\x1b[31mforged"
    assert json.loads(listed[1])[0]["types"]["EDS"]["nack"] == "no\n\x1b[31mforged"


async def test_proxies_of_one_scope_are_counted(app: App):
    async with grpc.aio.insecure_channel(f"127.0.0.1:{app.xds_port}") as channel:
        for name in ("a.default", "b.default", "c.other"):
            node = f"sidecar~10.0.0.1~{name}~{name[2:]}.svc.cluster.local"
            peer = Peer(channel, f"{ADS}/StreamAggregatedResources", delta=False, node_id=node)
            await peer.send(CLUSTER)
            await peer.read()
        async with aiohttp.ClientSession() as client:
            rows = await (await client.get(f"http://127.0.0.1:{app.admin_port}/debug/proxies")).json()
    assert [(row["name"], row["sharing_scope"]) for row in rows] == [("a", 2), ("b", 2), ("c", 1)]
    assert {row["types"]["CDS"]["state"] for row in rows} == {"STALE"}


async def test_debug_pages_are_off_on_an_address_that_others_can_reach(tmp_path: Path):
    app = App(ServeOptions((tmp_path,), ANY, Address("0.0.0.0", 0)))
    await app.start()
    try:
        code, printed = await mirrorplane("proxies", "--admin-address", f"127.0.0.1:{app.admin_port}")
        async with aiohttp.ClientSession() as client:
            for page in ("", "/proxies", "/findings", "/objects", "/resources", "/events"):
                answer = await client.get(f"http://127.0.0.1:{app.admin_port}/debug{page}")
                assert answer.status == 404
    finally:
        await app.close()
    assert code == 2
    assert "needs a loopback --admin-address, or --jwks" in printed


def test_it_says_what_to_do_where_nothing_answers():
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    result = CliRunner().invoke(cli, ["proxies", "--admin-address", f"127.0.0.1:{port}"])
    assert result.exit_code == 2
    assert (
        f"Error: cannot connect to 127.0.0.1:{port} (Connection refused): is `mirrorplane serve` run" in result.output
    )
    assert len(result.output.splitlines()) == 1


@pytest.mark.parametrize(
    "answer", [b"SSH-2.0-OpenSSH_9\r\n", b"HTTP/1.1 200 OK\r\n\r\n<html>", b"HTTP/1.1 200 OK\r\n\r\n{}"]
)
async def test_something_else_on_the_address_is_one_clear_line(answer: bytes):
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        code, printed = await mirrorplane("proxies", "--admin-address", address)
    assert code == 2
    assert printed.startswith("Error: ")
    assert address in printed
    assert len(printed.splitlines()) == 1


def test_an_address_that_is_none_is_one_clear_line():
    result = CliRunner().invoke(cli, ["proxies", "--admin-address", "nowhere"])
    assert result.exit_code == 2
    assert "'nowhere' is not an address" in result.output


def test_what_a_router_does_not_serve_is_a_line_below_the_table():
    finding = Finding(
        Ref("networking.istio.io/Gateway", "default", "edge"), "ListenerNotOpened", "no", "spec.servers[1]"
    )
    scopes = [Scope("router", Visibility("default"))]
    [row] = proxy_rows([StreamStatus(A, "sotw", NOON, ())], scopes, NOON, lambda _: (finding,))
    assert table_cells(row)[1] == ["spec.servers[1] of Gateway default/edge: no"]
