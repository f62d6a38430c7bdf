"""What any client can send to the admin address without authentication: no request is more than a line of log."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mirrorplane.controlplane.app import App, ServeOptions
from mirrorplane.controlplane.playground.manifests import service
from mirrorplane.controlplane.settings import Address

ANY = Address("127.0.0.1", 0)
MALFORMED = [
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    b"GET / HTTP/1.1\r\nA: " + b"a" * 100_000 + b"\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"POST /healthz HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET http://[::1/debug HTTP/1.1\r\nHost: [::1\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET /debug/explain?random=" + b"9" * 5000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
]


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[App]:
    (tmp_path / "web.yaml").write_text(service("web", 80))
    app = App(ServeOptions((tmp_path / "web.yaml",), ANY, ANY))
    await app.start()
    yield app
    await app.close()


async def test_a_malformed_request_is_answered_400_and_no_line_of_the_log(app: App, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    for request in MALFORMED:
        reader, writer = await asyncio.open_connection("127.0.0.1", app.admin_port)
        writer.write(request)
        status = await reader.readline()
        writer.close()
        assert b" 400 " in status, (request[:80], status)
    assert not caplog.records


async def test_an_exception_of_a_page_is_still_logged(app: App, caplog: pytest.LogCaptureFixture, monkeypatch):
    monkeypatch.setattr(app.metrics, "text", lambda: 1 / 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", app.admin_port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b" 500 " in await reader.readline()
    writer.close()
    assert "ZeroDivisionError" in caplog.text
