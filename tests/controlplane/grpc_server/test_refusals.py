"""Refused callers get a status and a sentence, and the log stays bounded however many there are."""

import logging

import grpc
import pytest

from mirrorplane.controlplane.grpc_server.refusals import (
    MAX_LINES,
    MAX_SENTENCE,
    REFUSED,
    WINDOW_S,
    Refusals,
)
from mirrorplane.controlplane.identity.caller import ForbiddenError


class Rpc:
    """What an RPC of a stranger is to a refusal."""

    def __init__(self) -> None:
        self.ended: list[tuple[grpc.StatusCode, str]] = []

    def peer(self) -> str:
        return "ipv4:10.0.0.7:1234"

    async def abort(self, code: grpc.StatusCode, sentence: str) -> None:
        self.ended.append((code, sentence))


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


async def test_the_log_of_a_storm_is_bounded_and_counts_the_rest(caplog: pytest.LogCaptureFixture):
    clock, rpc = [0.0], Rpc()
    refusals = Refusals(lambda: clock[0])
    with caplog.at_level(logging.WARNING):
        for _ in range(1000):
            await refusals.refuse(rpc, ForbiddenError("no"))
        assert lines(caplog) == ["refused: ipv4:10.0.0.7:1234: no"] * MAX_LINES
        caplog.clear()
        clock[0] += WINDOW_S
        await refusals.refuse(rpc, ForbiddenError("no"))

    assert lines(caplog) == [
        f"refused: {1000 - MAX_LINES} more calls, not logged one by one",
        "refused: ipv4:10.0.0.7:1234: no",
    ]
    assert len(rpc.ended) == 1001, "every caller gets an answer"


async def test_every_refusal_has_a_status_of_its_own_and_a_short_sentence():
    rpc = Rpc()
    for error in REFUSED:
        await Refusals().refuse(rpc, error("x" * 100_000))

    assert len({code for code, _ in rpc.ended}) == len(REFUSED) == 5
    assert {len(sentence) for _, sentence in rpc.ended} == {MAX_SENTENCE}
