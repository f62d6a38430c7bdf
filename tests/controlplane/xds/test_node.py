"""A Node becomes a Proxy, or a sentence that says why not."""

import pytest
from envoy.config.core.v3 import base_pb2
from google.protobuf.json_format import ParseDict

from mirrorplane.api.proxy import Locality, Proxy
from mirrorplane.controlplane.xds.node import proxy_from_node
from mirrorplane.controlplane.xds.requests import ProtocolError
from tests.controlplane.xds.grpc_peers import NODE_ID


def node(node_id: str = NODE_ID, **metadata) -> base_pb2.Node:
    return ParseDict({"id": node_id, "metadata": metadata}, base_pb2.Node())


def located(*parts: str) -> base_pb2.Node:
    region, zone, sub_zone = (*parts, "", "")[:3]
    return base_pb2.Node(id=NODE_ID, locality=base_pb2.Locality(region=region, zone=zone, sub_zone=sub_zone))


def test_the_largest_labels_of_kubernetes_are_read() -> None:
    labels = {f"{'p' * 250}/{i:063}": "v" * 63 for i in range(100)}
    assert proxy_from_node(node(LABELS=labels)).labels == labels


def test_the_id_alone_makes_a_proxy() -> None:
    assert proxy_from_node(node()) == Proxy(role="sidecar", name="sleep", namespace="default", ip="10.0.0.7")


def test_metadata_and_locality_fill_in_the_rest() -> None:
    full = node(NAMESPACE="web", LABELS={"app": "sleep"}, INTERCEPTION_MODE="REDIRECT", UNPRIVILEGED_POD="true")
    full.locality.region, full.locality.zone, full.locality.sub_zone = "r", "z", "s"

    assert proxy_from_node(full) == Proxy(
        role="sidecar",
        name="sleep",
        namespace="web",
        ip="10.0.0.7",
        labels={"app": "sleep"},
        locality=Locality("r", "z", "s"),
        interception="REDIRECT",
        unprivileged=True,
    )


def test_a_flag_may_be_a_real_one() -> None:
    assert proxy_from_node(node(UNPRIVILEGED_POD=True)).unprivileged
    assert not proxy_from_node(node(UNPRIVILEGED_POD="false")).unprivileged


def test_labels_that_are_no_text_are_left_out() -> None:
    assert proxy_from_node(node(LABELS={"a": "1", "b": 2, "c": {"d": "e"}})).labels == {"a": "1"}


def agent(name: str, *version: int, label: str = "", **more) -> base_pb2.Node:
    """A Node with a user agent."""
    build = {"version": dict(zip(("majorNumber", "minorNumber", "patch"), version, strict=True))}
    metadata = {"build.label": label} if label else {}
    agent_fields = {"userAgentName": name, "userAgentBuildVersion": {**build, "metadata": metadata}, **more}
    return ParseDict({"id": NODE_ID, **agent_fields}, base_pb2.Node())


def test_the_version_is_that_of_envoy_and_no_other_number() -> None:
    assert proxy_from_node(agent("envoy", 1, 38, 3)).envoy_version == "1.38.3"
    assert proxy_from_node(agent("envoy", 1, 40, 0, label="dev")).envoy_version == "1.40.0-dev"
    istio = agent("envoy", 1, 38, 3, metadata={"ISTIO_VERSION": "1.29.0"})
    assert proxy_from_node(istio).envoy_version == "1.38.3"
    assert proxy_from_node(agent("grpc-go", 1, 30, 0)).envoy_version == ""
    assert proxy_from_node(node(ISTIO_VERSION="1.29.0")).envoy_version == ""


def test_what_a_build_lists_of_the_filters_that_matter_is_read() -> None:
    limit, upstream = "envoy.filters.http.body_size_limit", "envoy.filters.http.upstream"

    def filters(*extensions: dict) -> tuple[str, ...] | None:
        return proxy_from_node(agent("envoy", 1, 40, 0, extensions=list(extensions))).upstream_filters

    assert filters({"name": limit, "category": upstream}, {"name": "x", "category": upstream}) == (limit,)
    assert filters({"name": limit, "category": "envoy.filters.http"}) == ()
    assert filters({"name": limit, "category": upstream, "disabled": True}) == ()
    assert filters() is None


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        (node("pod-1"), "want role~ip~name.namespace"),
        (node("ztunnel~1.2.3.4~a.b~b.svc.cluster.local"), "role 'ztunnel' is not one of"),
        (node("sidecar~1.2.3.4~a\nforged.b~b.svc.cluster.local"), "not printable"),
        (node("sidecar~host~a.b~b.svc.cluster.local"), "'host' is not an IP address"),
        (node("x" * 2000), "2000 characters"),
        (node(INTERCEPTION_MODE="MAGIC"), "INTERCEPTION_MODE 'MAGIC' is not one of"),
        (node(NAMESPACE="n" * 2000), "NAMESPACE of 2000 characters"),
        (node(LABELS={str(number): "" for number in range(300)}), "300 labels"),
        (node(LABELS={"a": "v" * (50 << 20)}), "LABELS has 52428801 characters"),
        (node(LABELS={"a": "v" * 2000}), "LABELS a of 2000 characters"),
        (node(LABELS={"a\n" * 600: "v"}), "key of node metadata LABELS of 1200 characters"),
        (node(LABELS={"a": "forged\nline"}), "not printable"),
        (node(LABELS={f"a{i}": "v" * 1000 for i in range(70)}), "LABELS has 70[0-9]{3} characters"),
        (located("r" * (50 << 20)), "locality region of 52428800 characters"),
        (located("r", "z" * 2000), "locality zone of 2000 characters"),
        (located("r", "z", "s\n"), "locality sub_zone .* not printable"),
    ],
)
def test_a_node_without_a_usable_identity_is_refused_with_a_sentence(bad: base_pb2.Node, sentence: str) -> None:
    with pytest.raises(ProtocolError, match=sentence):
        proxy_from_node(bad)
