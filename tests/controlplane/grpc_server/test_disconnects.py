"""Clients that leave while they are answered: a disconnect, and never a traceback."""

import asyncio
import logging
import time
from contextlib import suppress

import pytest

from mirrorplane.controlplane.grpc_server.call import Call
from mirrorplane.controlplane.grpc_server.server import GrpcServer
from mirrorplane.controlplane.identity.authoriser import Authoriser
from tests.controlplane.grpc_server import raw_client


class Leaving:
    """A service whose client leaves before it is answered, at a moment when the event loop cannot notice it."""

    name = "test.Leaving"

    def __init__(self) -> None:
        self.methods = {"Answer": self.answer}
        self.client = asyncio.get_running_loop().create_future()
        self.ended: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()

    async def answer(self, call: Call) -> None:
        await call.read()
        connection = await self.client
        # More than the client's window: it is written in part, and then waits.
        answer = asyncio.create_task(call.write(bytes(1 << 20)))
        await asyncio.sleep(0)
        raw_client.reset(connection)
        # Only gRPC's own threads run meanwhile. Too short, and gRPC cancels the call: no failure either.
        time.sleep(0.05)  # noqa: ASYNC251
        try:
            await answer
        finally:
            asyncio.get_running_loop().call_later(0.05, self.ended.set_result, None)

    def close(self) -> None:
        """It ends by itself."""


async def test_a_client_that_leaves_while_it_is_answered_is_no_error(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    service = Leaving()
    server = GrpcServer("127.0.0.1:0", [service], Authoriser())
    service.client.set_result(raw_client.call(await server.start(), "/test.Leaving/Answer", b"x"))
    with suppress(asyncio.CancelledError):
        await service.ended
    await server.stop(grace=1.0)

    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert not errors, errors[0].exc_text
