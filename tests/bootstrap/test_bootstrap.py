"""How a proxy starts: what the real Envoy accepts of a bootstrap, and names that never reach one."""

import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2
from hypothesis import given
from hypothesis import strategies as st

from mirrorplane.api.proxy import Locality, Proxy, parse_node_id
from mirrorplane.bootstrap.envoy import XdsAddress, XdsAddressError, bootstrap
from mirrorplane.bootstrap.node import NodeError, parse_labels, validated
from mirrorplane.bootstrap.platform_ports import ISTIO_PORTS, PlatformPorts, PlatformPortsError
from mirrorplane.bootstrap.tls import XdsTls, XdsTlsError
from mirrorplane.controlplane.playground.proxy import (
    EnvoyOptions,
    EnvoyProcess,
    envoy_path,
)
from tests.builders import SLEEP

HTTPBIN = Proxy(
    role="sidecar",
    name="httpbin-v1-6d8f",
    namespace="default",
    ip="10.0.0.7",
    labels={"app": "httpbin", "version": "v1"},
    locality=Locality("eu", "eu-1", "rack-7"),
    unprivileged=True,
)
NOWHERE = XdsAddress("127.0.0.1", 1)  # nobody serves xDS there
SLEEP_ON_LOOPBACK = Proxy("sidecar", "sleep", "default", ip="127.9.9.9")
BARE = Proxy(role="router", name="edge", namespace="istio-system", ip="fd00::7", interception="REDIRECT")


@pytest.mark.envoy
@pytest.mark.parametrize("delta", [True, False], ids=["delta", "sotw"])
@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "mirrorplane.istio-system.svc"])
@pytest.mark.parametrize("proxy", [HTTPBIN, BARE], ids=["labelled", "bare"])
def test_envoy_accepts_the_bootstrap(tmp_path: Path, proxy: Proxy, host: str, delta: bool) -> None:
    config = tmp_path / "bootstrap.json"
    config.write_text(json.dumps(bootstrap(proxy, XdsAddress(host, 15010, delta))))
    command = [envoy_path(), "--mode", "validate", "-c", str(config), "--use-dynamic-base-id", "--disable-hot-restart"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stderr
    assert '"level":"warning"' not in result.stderr


class Ads(ads_pb2_grpc.AggregatedDiscoveryServiceServicer):
    """Answers every subscription with nothing, so that Envoy becomes ready, and keeps what it was asked."""

    def __init__(self) -> None:
        self.requests: dict[str, list[Any]] = {"delta": [], "sotw": []}

    async def DeltaAggregatedResources(self, requests: AsyncIterator[Any], _: object) -> AsyncIterator[Any]:  # noqa: N802
        async for request in requests:
            self.requests["delta"].append(request)
            if not request.response_nonce:
                yield discovery_pb2.DeltaDiscoveryResponse(type_url=request.type_url, nonce="1")

    async def StreamAggregatedResources(self, requests: AsyncIterator[Any], _: object) -> AsyncIterator[Any]:  # noqa: N802
        async for request in requests:
            self.requests["sotw"].append(request)
            if not request.response_nonce:
                yield discovery_pb2.DiscoveryResponse(type_url=request.type_url, version_info="1", nonce="1")


@asynccontextmanager
async def serving(ads: Ads) -> AsyncIterator[int]:
    server = grpc.aio.server()
    ads_pb2_grpc.add_AggregatedDiscoveryServiceServicer_to_server(ads, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


@pytest.mark.envoy
@pytest.mark.parametrize("protocol", ["delta", "sotw"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_real_envoy_becomes_ready_and_says_who_it_is_in_its_first_message_only(
    host: str, protocol: str
) -> None:
    ads = Ads()
    async with (
        serving(ads) as port,
        EnvoyProcess(bootstrap(HTTPBIN, XdsAddress(host, port, protocol == "delta"))) as envoy,
    ):
        assert await envoy.counter("cluster_manager.cds.update_success") == 1
        assert '"level":"warning"' not in envoy.log()
        runtime = json.loads(await envoy.get("/runtime"))["entries"]
    requests = ads.requests[protocol]
    node = requests[0].node
    assert parse_node_id(node.id) == ("sidecar", "10.0.0.7", "httpbin-v1-6d8f", "default", "cluster.local")
    assert node.cluster == "httpbin.default"
    assert (node.locality.region, node.locality.zone, node.locality.sub_zone) == ("eu", "eu-1", "rack-7")
    assert dict(node.metadata["LABELS"]) == {"app": "httpbin", "version": "v1"}
    assert {key: node.metadata[key] for key in ("NAME", "NAMESPACE", "INTERCEPTION_MODE", "UNPRIVILEGED_POD")} == {
        "NAME": "httpbin-v1-6d8f",
        "NAMESPACE": "default",
        "INTERCEPTION_MODE": "NONE",
        "UNPRIVILEGED_POD": "true",
    }
    assert any(name == "envoy.bootstrap.internal_listener" for name in (e.name for e in node.extensions))
    assert len(requests) > 1
    assert not any(request.node.id for request in requests[1:])
    assert runtime["re2.max_program_size.error_level"]["final_value"] == "32768"


@pytest.mark.envoy
async def test_a_proxy_without_its_control_plane_does_not_pretend_to_be_ready() -> None:
    envoy = EnvoyProcess(bootstrap(HTTPBIN, NOWHERE), EnvoyOptions(log_level="info"))
    try:
        await envoy.start()
        assert not await envoy.ready()
        assert json.loads(envoy.log().splitlines()[-1])["level"] == "info"
    finally:
        await envoy.stop()


def test_the_admin_interface_listens_on_loopback_only() -> None:
    assert admin_address_of(bootstrap(BARE, NOWHERE)) == ("127.0.0.1", 15000)
    assert admin_address_of(bootstrap(SLEEP_ON_LOOPBACK, NOWHERE, PlatformPorts(admin=19000))) == ("127.9.9.9", 19000)
    assert admin_address_of(bootstrap(SLEEP_ON_LOOPBACK, NOWHERE)) == ("127.9.9.9", 0)
    # A listener's page leads to the admin interface, whose port must be known then.
    assert admin_address_of(bootstrap(SLEEP_ON_LOOPBACK, NOWHERE, PlatformPorts(stats=1))) == ("127.9.9.9", 15000)


def admin_address_of(config: dict[str, Any]) -> tuple[str, int]:
    address = config["admin"]["address"]["socket_address"]
    return address["address"], address["port_value"]


@pytest.mark.parametrize(
    ("proxy", "ports", "listeners"),
    [
        pytest.param("10.0.0.7", ISTIO_PORTS, [("0.0.0.0", 15021), ("0.0.0.0", 15090)], id="a Pod's address"),
        pytest.param("127.9.9.9", ISTIO_PORTS, [("127.9.9.9", 15021), ("127.9.9.9", 15090)], id="loopback"),
        pytest.param("::1", PlatformPorts(stats=9), [("::1", 9)], id="IPv6 loopback, one port"),
        pytest.param("127.9.9.9", PlatformPorts(), [], id="none"),
    ],
)
def test_platform_ports_are_opened_where_the_platform_can_reach_them(
    proxy: str, ports: PlatformPorts, listeners: list[tuple[str, int]]
) -> None:
    config = bootstrap(Proxy("sidecar", "sleep", "default", ip=proxy), NOWHERE, ports)
    addresses = [listener["address"]["socket_address"] for listener in config["static_resources"].get("listeners", [])]
    assert [(address["address"], address["port_value"]) for address in addresses] == listeners


def test_ports_of_a_proxy_must_differ() -> None:
    with pytest.raises(PlatformPortsError, match="health port 15000, stats port 0: two are the same"):
        bootstrap(SLEEP_ON_LOOPBACK, NOWHERE, PlatformPorts(15000, 15000))


def test_what_a_proxy_does_not_have_is_not_said() -> None:
    node = bootstrap(BARE, XdsAddress("10.1.2.3", 15010))["node"]
    assert "locality" not in node
    assert "UNPRIVILEGED_POD" not in node["metadata"]
    assert node["cluster"] == "edge.istio-system"


@pytest.mark.parametrize("address", [("", 1), ("a b", 1), ("Host", 1), ("fe80::1%eth0\n", 1), ("h", 0), ("h", 65536)])
def test_an_impossible_control_plane_address_is_refused(address: tuple[str, int]) -> None:
    with pytest.raises(XdsAddressError, match="control plane"):
        bootstrap(BARE, XdsAddress(*address))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"role": "pod"}, "role 'pod' is not one of sidecar, router"),
        ({"interception": "none"}, "interception mode 'none'"),
        ({"name": "Httpbin"}, "name 'Httpbin': want at most 253"),
        ({"name": "a~b"}, "name 'a~b'"),
        ({"name": "a..b"}, "name 'a..b'"),
        ({"name": "a\n"}, r"name 'a\\n'"),
        ({"namespace": "a.b"}, "namespace 'a.b': want at most 63"),
        ({"namespace": "n" * 64}, "namespace 'n"),
        ({"namespace": ""}, "namespace ''"),
        ({"domain": "cluster_local"}, "domain 'cluster_local'"),
        ({"ip": "10.0.0.256"}, "address '10.0.0.256': want an IPv4 or IPv6"),
        ({"ip": "fe80::1%eth0"}, "address 'fe80::1%eth0'"),
        ({"labels": {"app": "a b"}}, "label 'app': value 'a b'"),
    ],
)
def test_a_proxy_that_no_control_plane_could_place_is_refused(change: dict[str, Any], message: str) -> None:
    proxy = Proxy(**{"role": "sidecar", "name": "httpbin", "namespace": "default"} | change)
    with pytest.raises(NodeError, match=message):
        bootstrap(proxy, XdsAddress("127.0.0.1", 15010))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("app", "label 'app': want key=value"),
        ("app=a,,b=c", "label '': want key=value"),
        ("app=a,app=b", "label 'app' is given twice"),
        ("=a", "label key ''"),
        ("-app=a", "label key '-app'"),
        ("a/b/c=d", "prefix 'a/b'"),
        ("Acme.io/tier=gold", "prefix 'Acme.io'"),
        ("app=a=b", "value 'a=b'"),
        (f"app={'x' * 64}", "want 1 to 63"),
    ],
)
def test_a_label_that_kubernetes_would_refuse_is_refused(text: str, message: str) -> None:
    with pytest.raises(NodeError, match=message):
        parse_labels(text)


def test_labels_are_read_with_blanks_prefixes_and_empty_values() -> None:
    assert parse_labels(" app=httpbin , app.kubernetes.io/name=x_Y.z,canary= ") == {
        "app": "httpbin",
        "app.kubernetes.io/name": "x_Y.z",
        "canary": "",
    }
    assert parse_labels(" ") == {}


words = st.from_regex(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,5}[A-Za-z0-9])?", fullmatch=True)
names = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,5}[a-z0-9])?", fullmatch=True)


@given(st.dictionaries(words, words | st.just(""), max_size=3))
def test_labels_written_out_are_read_back(labels: dict[str, str]) -> None:
    assert parse_labels(",".join(f"{key}={value}" for key, value in labels.items())) == labels


@given(st.lists(names, min_size=1, max_size=3).map(".".join), names, st.ip_addresses().map(str))
def test_the_id_of_any_accepted_proxy_splits_into_what_it_was_made_of(name: str, namespace: str, ip: str) -> None:
    proxy = validated(Proxy(role="sidecar", name=name, namespace=namespace, ip=ip))
    assert parse_node_id(proxy.id) == ("sidecar", ip, name, namespace, "cluster.local")


@pytest.mark.parametrize(
    ("tls", "message"),
    [
        (XdsTls("/ca", certificate="/cert"), "go together"),
        (XdsTls("/ca", key="/key"), "go together"),
        (XdsTls("", certificate="/cert", key="/key"), "need the control plane's CA"),
        (XdsTls("", token="/token"), "need the control plane's CA"),
        (XdsTls("", server_name="x"), "need the control plane's CA"),
        (XdsTls("", secrets="/d"), "need the control plane's CA"),
    ],
)
def test_files_that_do_not_go_together_are_refused(tls: XdsTls, message: str):
    with pytest.raises(XdsTlsError, match=message):
        bootstrap(SLEEP, XdsAddress("xds.example.com", 15010, tls=tls))


@pytest.mark.parametrize(
    ("host", "server_name", "kind", "expected", "sni"),
    [
        ("xds.example.com", "", "DNS", "xds.example.com", "xds.example.com"),
        ("10.0.0.1", "", "IP_ADDRESS", "10.0.0.1", None),
        ("10.0.0.1", "xds.example.com", "DNS", "xds.example.com", "xds.example.com"),
    ],
)
def test_the_control_plane_must_show_a_certificate_of_its_name(host, server_name, kind, expected, sni):
    value = bootstrap(SLEEP, XdsAddress(host, 15010, tls=XdsTls("/ca", server_name=server_name)))
    [xds] = value["static_resources"]["clusters"]
    tls = xds["transport_socket"]["typed_config"]
    checked = tls["common_tls_context"]["combined_validation_context"]["default_validation_context"]

    assert tls.get("sni") == sni
    assert tls["common_tls_context"]["alpn_protocols"] == ["h2"]
    [ca] = value["static_resources"]["secrets"]
    assert ca["validation_context"]["trusted_ca"] == {"filename": "/ca"}
    assert checked["match_typed_subject_alt_names"] == [{"san_type": kind, "matcher": {"exact": expected}}]
