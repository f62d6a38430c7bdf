"""One sample for each route: the smallest request that its matchers accept. See decision 0137."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mirrorplane.api.tracing import Request
from mirrorplane.controlplane.query.resources import TYPES, decoded_values
from mirrorplane.translators.envoy import from_dict, to_dict
from mirrorplane.translators.matching.outcome import trace_request
from mirrorplane.translators.matching.samples import sample_requests
from tests import fast_yaml as yaml
from tests.builders import rendered
from tests.controlplane.commands.test_diff import SERVICES
from tests.e2e.support.manifests import join_manifests, route, virtual_service
from tests.test_golden import CASES, GOLDEN


def golden_values(case: Path) -> dict[str, list[dict[str, Any]]]:
    files = {name: case / f"{name}.yaml" for name in TYPES}
    return {name: list(yaml.safe_load(file.read_text())) for name, file in files.items() if file.exists()}


@pytest.fixture(scope="module")
def golden() -> Mapping[str, dict[str, list[dict[str, Any]]]]:
    return {str(case.relative_to(GOLDEN)): golden_values(case) for case in CASES}


def test_what_is_printed_can_be_read_back(golden: Mapping[str, dict[str, list[dict[str, Any]]]]):
    for values in golden.values():
        for name, resources in values.items():
            for fields in resources:
                assert to_dict(from_dict(TYPES[name], fields)) == fields


def test_each_sample_reaches_a_route(golden: Mapping[str, dict[str, list[dict[str, Any]]]]):
    """Every sample finds a virtual host, in every golden case, and most routes have one.

    A route for requests whose Host is another than the SNI (421) is reached by no sample: its host is both.
    """
    routes = samples = 0
    for case, values in golden.items():
        resources = decoded_values(values)
        for sample in sample_requests(resources):
            outcome = trace_request(resources, sample)
            assert outcome.virtual_host, (case, sample)
            samples += 1
        routes += sum(len(h.routes) for c in resources.configurations.values() for h in c.virtual_hosts)
    assert samples > routes / 2


async def samples_of(*rules: dict[str, Any]) -> list[Request]:
    served = await rendered(join_manifests(SERVICES, virtual_service("web", *rules)))
    values = {name: list(map(to_dict, served.of_type(url).values())) for name, url in TYPES.items()}
    samples = sample_requests(decoded_values(values))
    return [sample for sample in samples if sample.port == 8000 and sample.authority.startswith("web")]


@pytest.mark.parametrize(
    ("match", "request_line"),
    [
        ({"uri": {"prefix": "/a"}}, "GET /a"),
        ({"uri": {"exact": "/a"}}, "GET /a"),
        ({"uri": {"regex": "/a/b[0-9]*"}}, "GET /a/b"),
        ({"method": {"exact": "POST"}}, "POST /"),
        ({"headers": {"x": {"prefix": "v"}}}, "GET / x=v"),
        ({"headers": {"x": {}}}, "GET / x=x"),
        ({"queryParams": {"q": {"exact": "1"}}}, "GET /?q=1"),
        ({"withoutHeaders": {"x": {"exact": "1"}}}, "GET /"),
    ],
)
async def test_a_sample_has_what_the_route_demands_and_no_more(match: dict[str, Any], request_line: str):
    first, *_ = await samples_of({"match": [match], "route": route(("web", "v1", 1))})
    headers = "".join(f" {name}={value}" for name, value in first.headers)
    assert f"{first.method} {first.path}{headers}" == request_line


async def test_a_route_without_a_sample_is_left_out():
    assert await samples_of({"match": [{"uri": {"regex": "/[0-9]+/x"}}], "route": route(("web", "v1", 1))}) == []
