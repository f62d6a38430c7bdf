"""The joined bytes are the protobuf message, byte for byte."""

import pytest
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.service.discovery.v3 import discovery_pb2
from hypothesis import given
from hypothesis import strategies as st

from mirrorplane.api.resource import CLUSTER, ENDPOINT, Resource
from mirrorplane.controlplane.xds.frames import delta_response, name_only, sotw_response

texts = st.text(max_size=200)
chunks = st.lists(st.one_of(st.binary(max_size=300), st.just(b"x" * 20_000)), max_size=3).map(tuple)
resources = st.lists(st.builds(Resource, st.just(CLUSTER), texts, texts, chunks), max_size=5)


@given(texts, texts, resources)
def test_a_sotw_response_is_what_protobuf_would_write(version: str, nonce: str, entries: list[Resource]) -> None:
    message = discovery_pb2.DiscoveryResponse(version_info=version, type_url=CLUSTER, nonce=nonce)
    for entry in entries:
        message.resources.add(type_url=CLUSTER, value=entry.body)

    assert sotw_response(CLUSTER, version, nonce, entries) == message.SerializeToString(deterministic=True)


@given(texts, texts, resources, st.lists(texts, max_size=4))
def test_a_delta_response_is_what_protobuf_would_write(
    version: str, nonce: str, entries: list[Resource], removed: list[str]
) -> None:
    message = discovery_pb2.DeltaDiscoveryResponse(
        system_version_info=version, type_url=CLUSTER, nonce=nonce, removed_resources=removed
    )
    for entry in entries:
        added = message.resources.add(name=entry.name, version=entry.version)
        added.resource.type_url, added.resource.value = CLUSTER, entry.body

    assert delta_response(CLUSTER, version, nonce, entries, removed) == message.SerializeToString(deterministic=True)


@given(texts)
def test_a_message_with_a_name_only_is_what_protobuf_would_write(name: str) -> None:
    assert name_only(name) == endpoint_pb2.ClusterLoadAssignment(cluster_name=name).SerializeToString()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the decoder's own, on its import
def test_an_independent_decoder_reads_the_same_resources() -> None:
    from envoy_data_plane.envoy.service.discovery.v3 import DeltaDiscoveryResponse

    entry = Resource(ENDPOINT, "e1", "v1", (name_only("e1"),))
    read = DeltaDiscoveryResponse.parse(delta_response(ENDPOINT, "s", "7", [entry], ["gone"]))

    assert [(r.name, r.version, r.resource.value) for r in read.resources] == [("e1", "v1", entry.body)]
    assert (read.type_url, read.nonce, read.removed_resources) == (ENDPOINT, "7", ["gone"])
