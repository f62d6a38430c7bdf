"""The share of mirrored requests, within four standard deviations of the binomial.

By chance alone, one in 16,000 counts is outside of four sigma. Each case sends as many requests as it takes to tell its
share from the nearest wrong one as surely.
"""

import asyncio
import math
from collections.abc import Mapping
from typing import Any

import pytest

from mirrorplane.controlplane.playground.manifests import service
from mirrorplane.controlplane.playground.stage import Stage
from tests.e2e.support.counting_server import PathCounter, counting_server
from tests.e2e.support.http_load import flood, proxy_request
from tests.e2e.support.manifests import (
    NO_ACCESS_LOG,
    destination_rule,
    findings,
    join_manifests,
    route,
    versions,
    virtual_service,
)
from tests.e2e.support.sidecars import PROXY_PORT, Sidecar, sidecar

pytestmark = pytest.mark.envoy

REQUESTS = 2_000
"""Tells a tenth of a tenth of the requests from none of them, and from all: which a shared random value would give."""
SIGMAS = 4
PORT = 8000
PERCENTAGES: Mapping[str, tuple[float, float, Mapping[str, Any]]] = {
    "p0": (0, 0.02, {"mirrorPercentage": {"value": 0}}),
    "pempty": (0, 0.02, {"mirrorPercentage": {}}),
    "p0-1": (0.001, 0, {"mirrorPercentage": {"value": 0.1}}),
    "p12-5": (0.125, 0.0625, {"mirrorPercentage": {"value": 12.5}}),
    "p50": (0.5, 0.4, {"mirrorPercentage": {"value": 50.0}}),
    "p100": (1, 0.98, {"mirrorPercentage": {"value": 100.0}}),
    "pabsent": (1, 0.98, {}),
    "pold": (0.25, 0.125, {"mirrorPercent": 25}),
    "psnake": (0.25, 0.125, {"mirror_percent": 25}),
    "pboth": (0.05, 0.1, {"mirrorPercentage": {"value": 5}, "mirrorPercent": 70}),
}
"""Host to the expected share, the nearest wrong one to notice, and the fields of its VirtualService."""

WEIGHTS = {"tens": (10, 90), "large": (100_000, 900_000)}


async def test_every_percentage_copies_that_share_of_the_requests(stage: Stage) -> None:
    async with counting_server("live") as live, counting_server("copy") as copy:
        rules = (
            virtual_service(host, {"route": route((host, "", 1)), "mirror": {"host": "copy"}, **percentage})
            for host, (_, _, percentage) in PERCENTAGES.items()
        )
        hosts = (join_manifests(service(host, PORT), versions(host, [live.port])) for host in PERCENTAGES)
        await stage.apply(
            join_manifests(NO_ACCESS_LOG, service("copy", PORT), versions("copy", [copy.port]), *hosts, *rules)
        )
        assert {f.reason for f in findings(stage)} == {"Deprecated", "MirrorNeverFires"}, "0 %"
        envoy = await sidecar(stage, PORT)
        for host, (share, wrong_share, _) in PERCENTAGES.items():
            requests = sample_size(share, wrong_share)
            await _flood(envoy, host, requests)
            assert live.count(f"{host}:{PORT}") == requests
            _check(host, copy.count(f"{host}-shadow:{PORT}"), requests, share)


@pytest.mark.parametrize("weights", WEIGHTS.values(), ids=WEIGHTS.keys())
async def test_a_mirror_of_a_weighted_route_copies_the_same_share_from_both_destinations(
    stage: Stage, weights: tuple[int, int]
) -> None:
    async with counting_server("v1") as v1, counting_server("v2") as v2, counting_server("copy") as copy:
        rule = {
            "route": route(("web", "v1", weights[0]), ("web", "v2", weights[1])),
            "mirror": {"host": "copy"},
            "mirrorPercentage": {"value": 10},
        }
        await stage.apply(_web(v1, v2, copy, rule))
        envoy = await sidecar(stage, PORT)
        answered = await _flood(envoy, "web")
        copied = set(copy.paths[f"web-shadow:{PORT}"])
        assert len(copied) == copy.count(f"web-shadow:{PORT}"), "a request was copied twice"
        _check("requests to v1", answered["v1"], REQUESTS, weights[0] / sum(weights))
        _check("copies", len(copied), REQUESTS, 0.1)
        for version in (v1, v2):
            paths = version.paths[f"web:{PORT}"]
            assert len(paths) == answered[version.name]
            _check(f"copies of requests to {version.name}", len(copied.intersection(paths)), len(paths), 0.1)


async def test_two_mirrors_of_one_route_each_copy_their_own_share(stage: Stage) -> None:
    async with counting_server("v1") as v1, counting_server("v2") as v2, counting_server("copy") as copy:
        mirrors = [
            {"destination": {"host": "copy"}, "percentage": {"value": 10}},
            {"destination": {"host": "web", "subset": "v2"}, "percentage": {"value": 30}},
        ]
        await stage.apply(_web(v1, v2, copy, {"route": route(("web", "v1", 1)), "mirrors": mirrors}))
        assert await _flood(await sidecar(stage, PORT), "web") == {"v1": REQUESTS, "v2": 0}
        _check("first mirror", copy.count(f"web-shadow:{PORT}"), REQUESTS, 0.1)
        _check("second mirror", v2.count(f"web-shadow:{PORT}"), REQUESTS, 0.3)


def _web(v1: PathCounter, v2: PathCounter, copy: PathCounter, rule: Mapping[str, Any]) -> str:
    return join_manifests(
        NO_ACCESS_LOG,
        service("web", PORT),
        versions("web", [v1.port, v2.port]),
        service("copy", PORT),
        versions("copy", [copy.port]),
        destination_rule("web", {"v1": "v1", "v2": "v2"}),
        virtual_service("web", rule),
    )


async def _flood(envoy: Sidecar, host: str, count: int = REQUESTS) -> dict[str, int]:
    """Send the requests, each with a path of its own, wait for the last copy; return how many each version answered."""
    requests = (proxy_request(f"{host}:{PORT}", f"/{i}") for i in range(count))
    answers = await flood((envoy.address, PROXY_PORT), requests)
    assert {answer.status for answer in answers} == {200}
    await _drained(envoy)
    workloads = [answer.workload for answer in answers]
    return {name: workloads.count(name) for name in ("v1", "v2")}


async def _drained(envoy: Sidecar) -> None:
    """Wait until no copy is in flight; none may have been dropped by a guard."""
    while True:
        stats = await envoy.envoy.stats(r"^cluster\.mirror.*\.(membership_total|.*_active|.*overflow|.*_cancelled)$")
        clusters = {name for name in stats if name.endswith(".membership_total")}
        assert clusters, "no mirror cluster"  # counters of requests exist from the first copy on
        counters = {name: value for name, value in stats.items() if name not in clusters}
        dropped = {name: value for name, value in counters.items() if value and not name.endswith("_active")}
        assert not dropped, "copies were dropped, so there is nothing to count"
        if not any(value for name, value in counters.items() if name.endswith(("rq_active", "rq_pending_active"))):
            return
        await asyncio.sleep(0.05)


def sample_size(share: float, wrong_share: float) -> int:
    """Return how many requests tell two shares apart: the intervals of likely counts around both do not touch."""
    spread = sum(math.sqrt(p * (1 - p)) for p in (share, wrong_share))
    return math.floor((SIGMAS * spread / (share - wrong_share)) ** 2) + 1


def _check(what: str, count: int, total: int, share: float) -> None:
    """Compare a count with the binomial distribution's; shares of 0 and 1 have no spread."""
    slack = SIGMAS * math.sqrt(total * share * (1 - share))
    assert abs(count - total * share) <= slack, f"{what}: {count} of {total}, wanted {total * share:g} +- {slack:.0f}"
