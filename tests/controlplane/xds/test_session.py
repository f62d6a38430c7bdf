"""What both protocols promise beside single rules: a new set costs what changed, and versions say content only."""

from collections.abc import Iterator, Mapping

import msgspec
import pytest
from envoy.service.discovery.v3 import discovery_pb2
from hypothesis import given
from hypothesis import strategies as st

from mirrorplane.api.resource import CLUSTER, ENDPOINT, Resource, ResourceSet
from mirrorplane.controlplane.xds.delta import DeltaSession
from mirrorplane.controlplane.xds.push_order import PushLimits
from mirrorplane.controlplane.xds.requests import MAX_NAMES, MAX_STREAM_NAMES, DeltaRequest, ProtocolError, SotwRequest
from mirrorplane.controlplane.xds.session import MAX_TYPES
from mirrorplane.controlplane.xds.sotw import SotwSession
from tests.controlplane.xds.resource_worlds import SMALL, Item, content_version, first_set, having, next_set

DELTA = discovery_pb2.DeltaDiscoveryResponse


class Unwalkable(Mapping[str, Resource]):
    """Resources that may be looked up by name but never walked through."""

    def __init__(self, resources: Mapping[str, Resource]) -> None:
        self._of = resources

    def __getitem__(self, name: str) -> Resource:
        return self._of[name]

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("walked through all resources")

    def __len__(self) -> int:
        return len(self._of)


def unwalkable(given: ResourceSet) -> ResourceSet:
    return ResourceSet(
        given.generation,
        {url: Unwalkable(items) for url, items in given.resources.items()},
        given.changed,
        given.after,
    )


@pytest.mark.parametrize(
    ("session", "kind", "subscribe", "acked"),
    [
        (
            SotwSession, discovery_pb2.DiscoveryResponse,
            SotwRequest(ENDPOINT, ("e1", "e2")), SotwRequest(ENDPOINT, ("e1", "e2")),
        ),
        (DeltaSession, DELTA, DeltaRequest(ENDPOINT, ("e1", "e2")), DeltaRequest(ENDPOINT)),
        (DeltaSession, DELTA, DeltaRequest(CLUSTER), DeltaRequest(CLUSTER)),
    ],
    ids=["sotw", "delta", "delta wildcard"],
)  # fmt: skip
def test_a_new_set_and_its_push_cost_what_changed(session, kind, subscribe, acked) -> None:
    old_set = first_set(SMALL)
    stream = session(old_set, PushLimits(), now=0.0)
    stream.receive(subscribe)
    response = kind.FromString(stream.next(0.0))
    stream.receive(msgspec.structs.replace(acked, nonce=response.nonce))
    changed = having(having(SMALL, ENDPOINT, e1=Item(salt=1)), CLUSTER, c1=Item(salt=1))
    stream.offer(unwalkable(next_set(old_set, changed)))

    assert stream.next(1.0) is not None


pairs = st.dictionaries(st.text(max_size=8), st.text(min_size=1, max_size=8)).map(
    lambda versions: list(versions.items())
)


@given(pairs, st.randoms())
def test_a_version_does_not_depend_on_order(versions: list[tuple[str, str]], random) -> None:
    shuffled = list(versions)
    random.shuffle(shuffled)

    assert content_version(shuffled) == content_version(versions)


@given(pairs, st.sets(st.text(max_size=8), min_size=1, max_size=1))
def test_a_version_changes_with_any_resource(versions: list[tuple[str, str]], extra: set[str]) -> None:
    [name] = extra

    assert content_version([*versions, (name, "some new version")]) != content_version(versions)


def test_a_version_kept_up_to_date_is_the_version_counted_afresh() -> None:
    old_set = first_set(SMALL)
    old = SotwSession(old_set, PushLimits(), now=0.0)
    old.receive(SotwRequest(CLUSTER))
    second = next_set(old_set, having(SMALL, CLUSTER, c1=Item(salt=5), c3=Item()))
    old.offer(second)
    old.next(0.0)

    assert old.status()[0].sent == content_version((r.name, r.version) for r in second.of_type(CLUSTER).values())


def test_a_stream_may_not_name_types_without_end() -> None:
    session = SotwSession(first_set(SMALL), PushLimits(), now=0.0)
    for number in range(MAX_TYPES):
        session.receive(SotwRequest(f"type/{number}"))

    with pytest.raises(ProtocolError):
        session.receive(SotwRequest("type/one-more"))


@pytest.mark.parametrize("session_type", [SotwSession, DeltaSession])
def test_a_stream_may_not_name_100_000_resources_of_each_of_64_types(session_type: type) -> None:
    session = session_type(first_set(SMALL), PushLimits(), now=0.0)
    request = SotwRequest if session_type is SotwSession else DeltaRequest
    names = tuple(map(str, range(MAX_NAMES)))
    for number in range(MAX_STREAM_NAMES // MAX_NAMES):
        session.receive(request(f"type/{number}", names))
    with pytest.raises(ProtocolError, match=f"more than {MAX_STREAM_NAMES} names on one stream"):
        session.receive(request("type/one-more", ("one-more",)))


def test_the_names_that_a_proxy_says_it_holds_count_too() -> None:
    session = DeltaSession(first_set(SMALL), PushLimits(), now=0.0)
    with pytest.raises(ProtocolError, match=f"more than {MAX_NAMES} names"):
        session.receive(DeltaRequest(CLUSTER, ("one",), initial={str(i): "v" for i in range(MAX_NAMES)}))


def test_a_subscription_may_not_grow_without_end() -> None:
    session = DeltaSession(first_set(SMALL), PushLimits(), now=0.0)
    session.receive(DeltaRequest(ENDPOINT, tuple(map(str, range(MAX_NAMES)))))

    with pytest.raises(ProtocolError):
        session.receive(DeltaRequest(ENDPOINT, ("one-more",)))
