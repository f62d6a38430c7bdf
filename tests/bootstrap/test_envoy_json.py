"""The bootstrap's JSON: its bytes for typical proxies, and that Envoy's own message definitions accept every field."""

import importlib
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import betterproto2
import msgspec
import pytest

from mirrorplane.api.proxy import Locality, Proxy
from mirrorplane.bootstrap.envoy import XdsAddress, bootstrap
from mirrorplane.bootstrap.platform_ports import ISTIO_PORTS, PlatformPorts
from mirrorplane.bootstrap.tls import XdsTls, secret_files

PACKED = (
    "bootstrap.internal_listener",
    "filters.http.credential_injector",
    "filters.http.router",
    "filters.http.upstream_codec",
    "filters.network.http_connection_manager",
    "http.injected_credentials.generic",
    "network.dns_resolver.cares",
    "resource_monitors.downstream_connections",
    "transport_sockets.tls",
    "upstreams.http",
)
"""Extensions whose messages a bootstrap packs into google.protobuf.Any."""
GOLDEN = Path(__file__).parent / "golden"

SIDECAR = Proxy(
    role="sidecar",
    name="httpbin-v1-6d8f",
    namespace="default",
    ip="10.0.0.7",
    labels={"version": "v1", "app": "httpbin"},
    locality=Locality("eu", "eu-1", "rack-7"),
    unprivileged=True,
)
ROUTER = Proxy(role="router", name="edge", namespace="istio-system", ip="fd00::7")
INTERCEPTED = Proxy(
    role="sidecar", name="sleep", namespace="default", ip="10.0.0.8", interception="REDIRECT", locality=Locality("eu")
)
FILES = XdsTls("/pki/ca.pem", "/own/cert.pem", "/own/key.pem", token="/token/token")
RELOADED = XdsTls("/pki/ca.pem", "/own/cert.pem", "/own/key.pem", token="/token/token", secrets="/secrets")
NAME = "mirrorplane.istio-system.svc"

CASES: dict[str, tuple[Proxy, XdsAddress, PlatformPorts]] = {
    "sidecar": (SIDECAR, XdsAddress("127.0.0.1", 15010), PlatformPorts()),
    "sidecar-sotw": (SIDECAR, XdsAddress("::1", 15010, delta=False), PlatformPorts(9901)),
    "router-tls": (ROUTER, XdsAddress(NAME, 15012, tls=FILES), PlatformPorts()),
    "router-server-name": (
        ROUTER,
        XdsAddress("10.0.0.1", 15012, tls=XdsTls("/ca", server_name="xds.example.com")),
        PlatformPorts(),
    ),
    "intercepted": (INTERCEPTED, XdsAddress(NAME, 15010), ISTIO_PORTS),
    "intercepted-reloaded-files": (INTERCEPTED, XdsAddress("10.0.0.1", 15012, tls=RELOADED), ISTIO_PORTS),
}


class Definitions(msgspec.Struct, frozen=True):
    """Envoy's definitions of the messages that are checked."""

    bootstrap: type[betterproto2.Message]
    discovery_response: type[betterproto2.Message]


def read_back(definition: type[betterproto2.Message], value: dict[str, Any]) -> dict[str, Any]:
    """Return a value as it is after Envoy's definition has read it. Raises KeyError for an unknown field."""
    return definition().from_dict(value).to_dict(casing=betterproto2.Casing.SNAKE)


@pytest.mark.parametrize("case", CASES)
def test_the_bytes_of_a_bootstrap_stay_the_same(case: str, request: pytest.FixtureRequest):
    path = GOLDEN / f"{case}.json"
    text = json.dumps(bootstrap(*CASES[case]), indent=2) + "\n"
    if request.config.getoption("--golden-rewrite"):
        path.write_text(text)
    assert text == path.read_text()


def test_every_golden_file_has_a_case():
    assert {path.stem for path in GOLDEN.iterdir()} == set(CASES)


@pytest.fixture(scope="module")
def definitions() -> Definitions:
    """Envoy's messages. Importing them takes seconds: too long for the import of this module, in each worker."""
    with warnings.catch_warnings():  # it declares its validators in a way that pydantic calls deprecated
        warnings.simplefilter("ignore", DeprecationWarning)
        for name in PACKED:
            importlib.import_module(f"envoy_data_plane.envoy.extensions.{name}.v3")
        bootstrap_messages = importlib.import_module("envoy_data_plane.envoy.config.bootstrap.v3")
        discovery = importlib.import_module("envoy_data_plane.envoy.service.discovery.v3")
    return Definitions(bootstrap_messages.Bootstrap, discovery.DiscoveryResponse)


@pytest.mark.parametrize("case", CASES)
def test_envoys_message_definitions_have_every_field_in_this_order(case: str, definitions: Definitions):
    """envoy-data-plane rather than xds-protos, which lacks `header_value_prefix` (Envoy 1.36)."""
    value = bootstrap(*CASES[case])
    assert json.dumps(read_back(definitions.bootstrap, value)) == json.dumps(value)


def test_a_field_that_envoy_does_not_have_would_be_noticed(definitions: Definitions):
    value = bootstrap(*CASES["sidecar"])
    value["dynamic_resources"]["ads_config"]["colour"] = "red"
    with pytest.raises(KeyError, match="colour"):
        read_back(definitions.bootstrap, value)


def test_files_of_secrets_are_discovery_responses_that_refer_to_files(definitions: Definitions):
    files = secret_files(RELOADED)
    assert list(files) == ["/secrets/xds-ca.json", "/secrets/xds-certificate.json", "/secrets/xds-bearer.json"]
    for value in files.values():
        assert read_back(definitions.discovery_response, value) == value
    references = {text for value in files.values() for text in _texts(value) if text.startswith("/")}
    assert references >= {"/pki/ca.pem", "/own/cert.pem", "/own/key.pem", "/token/token"}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(child)
