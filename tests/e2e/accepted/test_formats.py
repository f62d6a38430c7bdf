"""Envoy accepts every header value that validation accepts, and rejects those that validation rejects for it."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirrorplane.controlplane.playground.proxy import envoy_path
from mirrorplane.translators.formats import PLAIN, value_problem
from tests.profiles import examples

pytestmark = pytest.mark.envoy

REFUSED_BY_ENVOY = (
    *("50%", "%", "a%b%c", "%PROTOCOL", "%NOPE%", "%start_time%", "%REQ()%", "%REQ(x%", "%REQ(x):a%", "%REQ(x y)%"),
    *("%REQ(x?y?z)%", "%REQ(a)b)%", "%START_TIME:3%", "%PROTOCOL:3%", "%DYNAMIC_METADATA()%", "%REQ(x)%%", "a\nb"),
)
REFUSED_BY_US = ("%ENVIRONMENT(PATH)%", "%CEL(request.path)%", "%FILE_CONTENT(/etc/passwd)%", "%SECRET(x)%")
PIECES = (
    *("a", "ü", " ", "%%", "%PROTOCOL%", "%DOWNSTREAM_REMOTE_ADDRESS%", "%REQ(x)%", "%REQ(:path?x-y):10%", "%RESP(a)%"),
    *("%TRAILER(z):3%", "%START_TIME%", "%START_TIME(%s.%3f)%", "%QUERY_PARAM(q):5%", "%DYNAMIC_METADATA(a.b:c)%"),
    *("%FILTER_STATE(k)%", "%UPSTREAM_METADATA(a:b)%", "%RESPONSE_CODE%", "%HOSTNAME%", "%PATH%", "%UNIQUE_ID%"),
)


async def accepts(values: list[str]) -> bool:
    """Whether Envoy accepts a configuration with these values."""
    command = (envoy_path(), "--mode", "validate", "--log-level", "off", "--config-yaml")
    config = json.dumps(configuration(values))
    process = await asyncio.create_subprocess_exec(*command, config, stderr=asyncio.subprocess.DEVNULL)
    return await process.wait() == 0


def configuration(values: list[str]) -> dict[str, Any]:
    headers = [{"header": {"key": f"x-{i}", "value": value}} for i, value in enumerate(values)]
    answer = {"match": {"prefix": "/"}, "direct_response": {"status": 200}, "response_headers_to_add": headers}
    routes = {"name": "r", "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [answer]}]}
    types = "type.googleapis.com/envoy.extensions.filters"
    router = {"name": "router", "typed_config": {"@type": f"{types}.http.router.v3.Router"}}
    manager = {
        "@type": f"{types}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "x",
        "route_config": routes,
        "http_filters": [router],
    }
    address = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
    chain = {"filters": [{"name": "http", "typed_config": manager}]}
    return {"static_resources": {"listeners": [{"name": "l", "address": address, "filter_chains": [chain]}]}}


@pytest.mark.parametrize("value", REFUSED_BY_ENVOY)
async def test_values_that_envoy_rejects_are_rejected_by_validation(value: str) -> None:
    assert value_problem(value)
    assert not await accepts([value])


@pytest.mark.parametrize("value", REFUSED_BY_US)
def test_commands_that_expose_secrets_are_rejected(value: str) -> None:
    assert value_problem(value)


async def test_envoy_accepts_every_known_command() -> None:
    values = [f"%{name}%" for name in sorted(PLAIN)]
    assert not [value for value in values if value_problem(value)]
    assert await accepts(values)


@settings(max_examples=examples(0.4))
@given(st.lists(st.lists(st.sampled_from(PIECES), max_size=5).map("".join), min_size=1, max_size=20))
def test_envoy_accepts_whatever_validation_accepts(values: list[str]) -> None:
    assert asyncio.run(accepts([value for value in values if not value_problem(value)]))
