"""Requests within limits: what a client may send is bounded before it costs something."""

import pytest
from envoy.service.discovery.v3 import discovery_pb2

from mirrorplane.api.resource import ENDPOINT
from mirrorplane.controlplane.settings import ClientLimits
from mirrorplane.controlplane.xds.decode import delta_request, sotw_request
from mirrorplane.controlplane.xds.requests import MAX_NAMES, ProtocolError

NODE_SIZE = 60_000
"""Of the Node of Envoy 1.40, with all its extensions."""


def names(count: int) -> list[str]:
    return [f"outbound|8000||service-{i:05}.namespace-{i % 97:02}.svc.cluster.local" for i in range(count)]


@pytest.mark.parametrize("tag", [b"\x1a\x00", b"\x22\x00", b"\x2a\x00", b"\x1a\x01a"])
def test_millions_of_names_in_one_message_are_refused_before_they_are_parsed(tag: bytes, monkeypatch):
    parsed: list[bytes] = []
    for message in (discovery_pb2.DiscoveryRequest, discovery_pb2.DeltaDiscoveryRequest):
        monkeypatch.setattr(message, "FromString", parsed.append, raising=False)
    for decode in (sotw_request, delta_request):
        with pytest.raises(ProtocolError, match="more than 100000 names in one request"):
            decode(tag * 5_000_000)
    assert not parsed


@pytest.mark.parametrize("length", [26, 34, 42])
def test_the_largest_subscription_is_read_whatever_the_length_of_its_names(length: int):
    wanted = [f"*.{number:n>{length - 2}}" for number in range(MAX_NAMES)]
    message = discovery_pb2.DeltaDiscoveryRequest(resource_names_subscribe=wanted, type_url=ENDPOINT)
    message.initial_resource_versions.update(dict.fromkeys(wanted, "v" * 16))
    decoded = delta_request(message.SerializeToString())
    assert (len(decoded.subscribe), len(decoded.initial)) == (MAX_NAMES, MAX_NAMES)


def test_a_proxy_that_comes_back_with_20_000_clusters_fits_into_a_first_message():
    message = discovery_pb2.DeltaDiscoveryRequest(type_url=ENDPOINT)
    message.initial_resource_versions.update(dict.fromkeys(names(20_000), "0" * 16))
    assert message.ByteSize() + NODE_SIZE < ClientLimits().first_message * 0.75


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (discovery_pb2.DiscoveryRequest(resource_names=["n" * 2000]), "a name of 2000 characters"),
        (discovery_pb2.DiscoveryRequest(version_info="v" * 2000), "a version or nonce of 2000 characters"),
        (discovery_pb2.DiscoveryRequest(response_nonce="v" * 2000), "a version or nonce of 2000 characters"),
    ],
)
def test_a_text_that_would_be_kept_is_limited(request_: discovery_pb2.DiscoveryRequest, sentence: str):
    with pytest.raises(ProtocolError, match=sentence):
        sotw_request(request_.SerializeToString())


def test_the_versions_that_a_proxy_holds_are_limited():
    message = discovery_pb2.DeltaDiscoveryRequest(initial_resource_versions={"a": "v" * 2000})
    with pytest.raises(ProtocolError, match="a version or nonce of 2000 characters"):
        delta_request(message.SerializeToString())
