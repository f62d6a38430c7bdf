"""Debug pages on an address that other machines can reach: a valid bearer token, or a plain refusal."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import aiohttp
import pytest

from mirrorplane.controlplane.admin import event_stream
from mirrorplane.controlplane.app import App, ServeOptions
from mirrorplane.controlplane.identity.authoriser import Security
from mirrorplane.controlplane.identity.tokens import LEEWAY_S, TokenRules
from mirrorplane.controlplane.observe.logs import current_level, set_level
from mirrorplane.controlplane.playground.manifests import service
from mirrorplane.controlplane.settings import Address
from tests.controlplane.identity.issuers import Signer
from tests.controlplane.query.test_proxies import mirrorplane

ANY, EXPOSED = Address("127.0.0.1", 0), Address("0.0.0.0", 0)
Headers = Mapping[str, str] | Sequence[tuple[str, str]]
PAGES = ("/debug", "/debug/findings", "/debug/proxies", "/debug/objects", "/debug/status", "/debug/events")


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return Signer(tmp_path)


@pytest.fixture
async def app(tmp_path: Path, signer: Signer) -> AsyncIterator[App]:
    (tmp_path / "web.yaml").write_text(service("web", 80))
    security = Security(tokens=TokenRules(signer.file), trust_domain="cluster.local")
    app = App(ServeOptions((tmp_path / "web.yaml",), ANY, EXPOSED, security=security))
    await app.start()
    yield app
    await app.close()


async def get(app: App, path: str, headers: Headers = ()) -> tuple[int, str]:
    url = f"http://127.0.0.1:{app.admin_port}{path}"
    async with aiohttp.ClientSession() as client, client.get(url, headers=headers) as answer:
        return answer.status, "" if answer.content_type == "text/event-stream" else await answer.text()


async def test_a_valid_token_opens_every_page(app: App, signer: Signer):
    for page in PAGES:
        assert (await get(app, page, {"Authorization": f"Bearer {signer.token()}"}))[0] == 200, page
    [web] = json.loads((await get(app, "/debug/objects", {"Authorization": f"bearer {signer.token()}"}))[1])
    assert web["object"] == "Service default/web"


async def test_without_a_valid_token_every_page_is_refused_in_one_sentence(app: App, signer: Signer):
    valid_token = f"Bearer {signer.token()}"
    cases: list[Headers] = [
        {},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Basic YTpi"},
        {"Authorization": f"Bearer {signer.token(exp=1)}"},
        [("Authorization", valid_token), ("Authorization", valid_token)],
    ]
    for page in PAGES:
        for headers in cases:
            status, text = await get(app, page, headers)
            assert status == 401, (page, headers)
            assert list(json.loads(text)) == ["error"]
            assert "nonsense" not in text


async def test_health_and_metrics_need_no_token(app: App):
    for page in ("/", "/healthz", "/readyz", "/metrics"):
        assert (await get(app, page))[0] == 200


async def test_the_command_sends_a_token_from_a_file(app: App, signer: Signer, tmp_path: Path):
    address = f"127.0.0.1:{app.admin_port}"
    token = tmp_path / "token"
    token.write_text(signer.token() + "\n")
    assert await mirrorplane("proxies", "--admin-address", address, "--admin-token-file", token) == (
        0,
        "no proxies are connected\n",
    )
    code, printed = await mirrorplane("proxies", "--admin-address", address)
    assert code == 2
    assert "refused access: exactly one `authorization: Bearer TOKEN` is required" in printed
    code, printed = await mirrorplane("proxies", "--admin-address", address, "--admin-token-file", tmp_path / "none")
    assert (code, "cannot be read" in printed) == (2, True)


async def test_an_event_stream_ends_when_its_token_expires(
    app: App, signer: Signer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(event_stream, "_KEEP_ALIVE_S", 0.02)
    url = f"http://127.0.0.1:{app.admin_port}/debug/events"
    headers = {"Authorization": f"Bearer {signer.token(exp=time.time() - LEEWAY_S + 2)}"}
    async with aiohttp.ClientSession() as client, client.get(url, headers=headers) as answer:
        assert answer.status == 200
        async with asyncio.timeout(60):
            assert (await answer.content.read()).endswith(b": no events\n\n")


@pytest.mark.parametrize("text", ["two\nlines", "", "tok\u00e9n", "x" * 9000])
async def test_the_command_says_that_a_file_holds_no_token(app: App, tmp_path: Path, text: str):
    token = tmp_path / "token"
    token.write_text(text)
    address = f"127.0.0.1:{app.admin_port}"
    code, printed = await mirrorplane("proxies", "--admin-address", address, "--admin-token-file", token)
    assert (code, f"{token}: is not a bearer token" in printed) == (2, True)


async def test_a_caller_of_another_trust_domain_is_forbidden(tmp_path: Path, signer: Signer):
    security = Security(tokens=TokenRules(signer.file, trust_domain="here"), trust_domain="there")
    app = App(ServeOptions((), ANY, EXPOSED, security=security))
    await app.start()
    try:
        status, text = await get(app, "/debug", {"Authorization": f"Bearer {signer.token()}"})
    finally:
        await app.close()
    assert status == 403
    assert "trust domain" in json.loads(text)["error"]


async def test_on_loopback_no_token_is_needed_but_a_local_name_is(tmp_path: Path, signer: Signer):
    app = App(ServeOptions((), ANY, ANY, security=Security(tokens=TokenRules(signer.file))))
    await app.start()
    try:
        assert (await get(app, "/debug"))[0] == 200
        assert (await get(app, "/debug", {"Host": "localhost"}))[0] == 200
        for malformed in ("localhost:99999", "localhost:x", "attacker.example:x"):
            assert (await get(app, "/debug/objects", {"Host": malformed}))[0] == 403
        status, text = await get(app, "/debug/objects", {"Host": "attacker.example"})
    finally:
        await app.close()
    assert status == 403
    assert json.loads(text)["error"] == "request the debug pages as http://localhost, not as attacker.example"


async def test_the_log_level_can_be_changed_while_it_runs(app: App, signer: Signer):
    url = f"http://127.0.0.1:{app.admin_port}/debug/logging"
    headers = {"Authorization": f"Bearer {signer.token()}"}
    level = current_level()
    try:
        async with aiohttp.ClientSession(headers=headers) as client:
            async with client.put(url, params={"level": "debug"}) as answer:
                assert await answer.json() == {"level": "debug"}
            assert logging.getLogger("mirrorplane.controlplane.app").isEnabledFor(logging.DEBUG)
            async with client.put(url, params={"level": "loud"}) as answer:
                assert (answer.status, list(await answer.json())) == (400, ["error"])
            async with client.get(url) as answer:
                assert await answer.json() == {"level": "debug"}
            # A page in a browser can make it send a GET or POST to this machine, but no PUT.
            async with client.post(url, params={"level": "error"}) as answer:
                assert answer.status == 405
    finally:
        set_level(level)
    assert (await get(app, "/debug/logging"))[0] == 401
