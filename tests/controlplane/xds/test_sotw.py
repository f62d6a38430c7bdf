"""SotW rules, one sentence each."""

import itertools

import pytest
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.service.discovery.v3 import discovery_pb2

from mirrorplane.api.resource import CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET
from mirrorplane.controlplane.xds.push_order import PushLimits
from mirrorplane.controlplane.xds.requests import Ack, Nack, SotwRequest, Unserved
from mirrorplane.controlplane.xds.shared_responses import SharedResponses
from mirrorplane.controlplane.xds.sotw import SotwSession
from tests.controlplane.xds.resource_worlds import SMALL, Item, first_set, having, name_of, next_set, without

RUNTIME = "type.googleapis.com/envoy.service.runtime.v3.Runtime"


class Asked:
    """A session one speaks to in short words; `acked` answers at once."""

    def __init__(self, world=SMALL, *, grace: float = 0.0, patience: float = 5.0) -> None:
        self.set = first_set(world)
        self.session = SotwSession(self.set, PushLimits(patience, grace), now=0.0)
        self.names: dict[str, tuple[str, ...]] = {}
        self.version: dict[str, str] = {}
        self.nonces: dict[str, list[str]] = {}

    def ask(self, type_url: str, *names: str, nonce: str = "", version: str = "", error: str | None = None):
        self.names[type_url] = names
        return self.session.receive(SotwRequest(type_url, names, version, nonce, error))

    def next(self, now: float = 1.0) -> discovery_pb2.DiscoveryResponse | None:
        message = self.session.next(now)
        if message is None:
            return None
        response = discovery_pb2.DiscoveryResponse.FromString(message)
        self.nonces.setdefault(response.type_url, []).append(response.nonce)
        return response

    def ack(self, response):
        names = self.names[response.type_url]
        return self.ask(response.type_url, *names, nonce=response.nonce, version=response.version_info)

    def nack(self, response, message: str = "bad"):
        return self.ask(response.type_url, *self.names[response.type_url], nonce=response.nonce, error=message)

    def acked(self, now: float = 1.0) -> list[tuple[str, list[str]]]:
        """ACK every response until none comes; return them as (type, names)."""
        seen = []
        while (response := self.next(now)) is not None:
            seen.append((response.type_url, names_in(response)))
            self.ack(response)
        return seen

    def publish(self, world, *, skipped: int = 0) -> None:
        self.set = next_set(self.set, world, skipped=skipped)
        self.session.offer(self.set)


def names_in(response) -> list[str]:
    if response.type_url == ENDPOINT:
        return [endpoint_pb2.ClusterLoadAssignment.FromString(entry.value).cluster_name for entry in response.resources]
    return [name_of(entry.value) for entry in response.resources]


def everything(world=SMALL, **pace: float) -> Asked:
    """A proxy that has asked for and accepted all of a world."""
    asked = Asked(world, **pace)
    asked.ask(CLUSTER)
    asked.ask(ENDPOINT, "e1", "e2")
    asked.ask(LISTENER)
    asked.ask(ROUTE, "r1")
    asked.acked()
    return asked


def test_a_first_request_without_names_means_everything() -> None:
    asked = Asked()
    asked.ask(CLUSTER)

    assert names_in(asked.next()) == ["c1", "c2"]


def test_an_explicit_wildcard_means_everything_until_it_is_taken_back() -> None:
    asked = Asked()
    asked.ask(CLUSTER, "*")
    first = asked.next()
    asked.ask(CLUSTER, nonce=first.nonce, version=first.version_info)

    assert names_in(first) == ["c1", "c2"]
    assert names_in(asked.next()) == []


def test_a_first_request_for_no_endpoints_gets_no_answer() -> None:
    asked = Asked()
    asked.ask(ENDPOINT)

    assert asked.next() is None


def test_an_empty_set_is_answered_or_envoy_would_wait() -> None:
    asked = Asked({})
    asked.ask(CLUSTER)

    assert names_in(asked.next()) == []


def test_a_stale_nonce_changes_nothing() -> None:
    asked = everything()
    asked.publish(having(SMALL, ENDPOINT, e1=Item(salt=1)))
    newer = asked.next()
    assert asked.ask(ENDPOINT, "e2", nonce=asked.nonces[ENDPOINT][0]) is None
    asked.names[ENDPOINT] = ("e1", "e2")
    asked.ack(newer)
    asked.publish(having(SMALL, ENDPOINT, e1=Item(salt=2)))

    assert asked.acked() == [(ENDPOINT, ["e1"])]


def test_only_the_newest_set_is_sent_after_an_ack() -> None:
    asked = Asked()
    asked.ask(ENDPOINT, "e1")
    first = asked.next()
    for salt in (1, 2, 3):
        asked.publish(having(SMALL, ENDPOINT, e1=Item(salt=salt)))
    assert asked.next() is None
    asked.ack(first)

    sent = endpoint_pb2.ClusterLoadAssignment.FromString(asked.next().resources[0].value)
    assert sent.endpoints[0].priority == 4


def test_content_that_came_back_before_it_was_sent_is_not_sent() -> None:
    asked = everything()
    asked.publish(having(SMALL, CLUSTER, c1=Item(salt=9, uses=("e1",))))
    asked.publish(SMALL)

    assert asked.acked() == []


@pytest.mark.parametrize("skipped", [0, 3])
def test_only_the_changed_endpoints_are_sent(skipped: int) -> None:
    asked = everything()
    asked.publish(having(SMALL, ENDPOINT, e2=Item(salt=1)), skipped=skipped)

    assert asked.acked() == [(ENDPOINT, ["e2"])]


def test_endpoints_that_do_not_exist_are_sent_empty() -> None:
    asked = Asked()
    asked.ask(ENDPOINT, "e9")
    [entry] = asked.next().resources

    assert entry.value == endpoint_pb2.ClusterLoadAssignment(cluster_name="e9").SerializeToString()


def test_a_route_that_does_not_exist_is_sent_once_it_does() -> None:
    asked = Asked()
    asked.ask(ROUTE, "r9")
    assert asked.next() is None
    asked.publish(having(SMALL, ROUTE, r9=Item(uses=("c1",))))

    assert asked.acked() == [(ROUTE, ["r9"])]


def test_a_changed_cluster_brings_its_endpoints_again() -> None:
    asked = everything()
    asked.publish(having(SMALL, CLUSTER, c1=Item(salt=1, uses=("e1",))))

    assert asked.acked() == [(CLUSTER, ["c1", "c2"]), (ENDPOINT, ["e1"])]


def test_endpoints_follow_a_cluster_whose_ack_is_withheld() -> None:
    asked = everything()
    asked.publish(having(SMALL, CLUSTER, c1=Item(salt=1, uses=("e1",))))
    asked.next()

    assert names_in(asked.next()) == ["e1"]


def test_a_second_ack_of_the_same_endpoints_is_answered() -> None:
    asked = Asked()
    asked.ask(ENDPOINT, "e1")
    first = asked.next()
    asked.ack(first)
    assert asked.next() is None
    asked.ack(first)

    assert asked.next().version_info == first.version_info


def test_nonces_differ_from_one_response_to_the_next_even_if_nothing_else_does() -> None:
    asked = everything()
    for _ in range(3):
        asked.ask(ENDPOINT, "e1", "e2", nonce=asked.nonces[ENDPOINT][-1])
        asked.ack(asked.next())
    nonces = asked.nonces[ENDPOINT]

    assert all(before != after for before, after in itertools.pairwise(nonces))


@pytest.mark.parametrize(("type_url", "shared"), [(CLUSTER, True), (SECRET, False)])
def test_two_streams_of_one_set_send_the_very_same_bytes_unless_they_are_secrets(type_url: str, shared: bool) -> None:
    frames, cache = [], SharedResponses()
    for _ in range(2):
        session = SotwSession(first_set({type_url: {"x": Item()}}), PushLimits(), 0.0, cache)
        session.receive(SotwRequest(type_url, ("x",)))
        frames.append(session.next(0.0))

    assert frames[0] == frames[1]
    assert (frames[0] is frames[1]) == shared


def test_a_second_ack_is_not_answered_when_a_newer_response_is_on_its_way() -> None:
    asked = everything()
    asked.publish(having(SMALL, ENDPOINT, e1=Item(salt=1)))
    newer = asked.next()
    asked.ask(ENDPOINT, "e1", "e2", nonce=asked.nonces[ENDPOINT][0])
    asked.ack(newer)

    assert asked.next() is None


def test_a_proxy_that_comes_back_with_our_versions_is_sent_nothing() -> None:
    before = everything()
    versions = {status.type_url: status.acked for status in before.session.status()}
    after = Asked()
    after.ask(CLUSTER, version=versions[CLUSTER])
    after.ask(ENDPOINT, "e2", "e1", version=versions[ENDPOINT])
    after.ask(LISTENER, version=versions[LISTENER])
    after.ask(ROUTE, "r1", version=versions[ROUTE])

    assert after.next() is None


def test_a_proxy_that_asks_for_less_learns_the_version_of_that() -> None:
    asked = everything()
    asked.ask(ENDPOINT, "e1", nonce=asked.nonces[ENDPOINT][-1], version="that of both")
    shrunk = asked.next()
    back = Asked()
    back.ask(ENDPOINT, "e1", version=shrunk.version_info)

    assert list(shrunk.resources) == []
    assert back.next() is None


def test_a_proxy_that_came_back_and_then_asks_for_less_learns_the_version_of_that() -> None:
    version = {status.type_url: status.acked for status in everything().session.status()}[ENDPOINT]
    back = Asked()
    back.ask(ENDPOINT, "e1", "e2", version=version)
    back.ask(ENDPOINT, "e1", version=version)

    assert back.next().version_info not in ("", version)


def test_endpoints_of_a_proxy_that_got_clusters_first_are_sent_whatever_version_it_says() -> None:
    version = {s.type_url: s.acked for s in everything().session.status()}[ENDPOINT]
    back = Asked()
    back.ask(CLUSTER, version="of another day")
    back.next()
    back.ask(ENDPOINT, "e1", "e2", version=version)

    assert names_in(back.next()) == ["e1", "e2"]


def test_rejected_content_is_not_sent_again_until_it_changes() -> None:
    asked = everything()
    bad = having(SMALL, ROUTE, r1=Item(salt=1, uses=("c1",)))
    asked.publish(bad)
    rejected = asked.next()
    outcome = asked.nack(rejected)
    asked.publish(having(bad, ENDPOINT, e1=Item(salt=1)))
    assert outcome == Nack(ROUTE, ("r1",), rejected.version_info, "bad")
    assert asked.acked() == [(ENDPOINT, ["e1"])]
    asked.publish(SMALL)

    assert asked.acked() == [(ENDPOINT, ["e1"]), (ROUTE, ["r1"])]


def test_a_nack_is_heard_whatever_its_nonce_and_changes_nothing_then() -> None:
    asked = everything()
    outcome = asked.ask(CLUSTER, nonce="long ago", error="late")

    assert outcome == Nack(CLUSTER, (), "", "late")
    assert asked.next() is None


def test_a_version_never_claims_what_the_proxy_rejected() -> None:
    world = having(SMALL, ROUTE, r2=Item(uses=("c1",)))
    asked = Asked(world)
    asked.ask(ROUTE, "r1", "r2")
    asked.acked()
    world = having(world, ROUTE, r1=Item(salt=1, uses=("c1",)))
    asked.publish(world)
    asked.nack(asked.next())
    world = having(world, ROUTE, r2=Item(salt=1, uses=("c1",)))
    asked.publish(world)
    accepted = asked.next()
    back = Asked(world)
    back.ask(ROUTE, "r1", "r2", version=accepted.version_info)

    assert names_in(back.next()) == ["r1", "r2"]


def test_an_ack_tells_the_version() -> None:
    asked = Asked()
    asked.ask(CLUSTER)
    response = asked.next()

    assert asked.ack(response) == Ack(CLUSTER, response.version_info)


def test_a_type_nobody_serves_is_told_once_and_ignored() -> None:
    asked = Asked()

    assert asked.ask(RUNTIME, "layer") == Unserved(RUNTIME)
    assert asked.ask(RUNTIME, "layer") is None
    assert asked.next() is None


def test_routes_wait_for_clusters_and_endpoints() -> None:
    asked = everything()
    world = having(SMALL, CLUSTER, c3=Item(uses=("e1",)))
    asked.publish(having(world, ROUTE, r1=Item(uses=("c3",))))
    cluster = asked.next()
    endpoints = asked.next()
    assert asked.next() is None
    asked.ack(endpoints)
    assert asked.next() is None
    asked.ack(cluster)

    assert (cluster.type_url, endpoints.type_url, asked.next().type_url) == (CLUSTER, ENDPOINT, ROUTE)


def test_routes_do_not_wait_for_ever() -> None:
    asked = everything(patience=5.0)
    world = having(SMALL, CLUSTER, c3=Item(uses=("e9",)))
    asked.publish(having(world, ROUTE, r1=Item(uses=("c3",))))
    asked.next(now=10.0)
    assert asked.next(now=14.9) is None
    assert asked.session.wake_at(14.9) == 15.0

    assert asked.next(now=15.0).type_url == ROUTE


def test_a_cluster_goes_only_after_the_routes_that_named_it() -> None:
    asked = everything()
    world = without(SMALL, CLUSTER, "c2")
    asked.publish(having(world, ROUTE, r1=Item(uses=("c1",))))

    assert asked.acked() == [(ROUTE, ["r1"]), (CLUSTER, ["c1"])]


def test_a_cluster_stays_while_the_routes_that_do_without_it_are_rejected() -> None:
    asked = everything()
    world = without(SMALL, CLUSTER, "c2")
    asked.publish(having(world, ROUTE, r1=Item(uses=("c1",))))
    asked.nack(asked.next())
    assert asked.acked() == []
    asked.publish(having(world, ROUTE, r1=Item(salt=1, uses=("c1",))))

    assert asked.acked() == [(ROUTE, ["r1"]), (CLUSTER, ["c1"])]


def test_the_endpoints_of_a_kept_cluster_are_kept_full() -> None:
    asked = everything()
    world = without(without(SMALL, CLUSTER, "c2"), ENDPOINT, "e2")
    asked.publish(having(world, ROUTE, r1=Item(uses=("c1",))))
    routes = asked.next()
    assert asked.next() is None
    asked.ack(routes)

    assert asked.acked() == [(CLUSTER, ["c1"]), (ENDPOINT, ["e2"])]


def test_a_cluster_that_nothing_names_stays_for_its_grace() -> None:
    asked = everything(grace=3.0)
    world = having(without(SMALL, CLUSTER, "c2"), ROUTE, r1=Item(uses=("c1",)))
    asked.publish(world)
    assert asked.acked(now=10.0) == [(ROUTE, ["r1"])]
    assert asked.session.wake_at(10.0) == 13.0
    assert asked.acked(now=12.9) == []

    assert asked.acked(now=13.0) == [(CLUSTER, ["c1"])]


def test_a_cluster_that_comes_back_while_kept_was_never_gone() -> None:
    asked = everything()
    asked.publish(having(without(SMALL, CLUSTER, "c2"), ROUTE, r1=Item(uses=("c1",))))
    routes = asked.next()
    asked.publish(SMALL)
    asked.ack(routes)

    assert asked.acked() == [(ROUTE, ["r1"])]


def test_without_listeners_and_routes_a_cluster_goes_at_once() -> None:
    asked = Asked()
    asked.ask(CLUSTER)
    asked.acked()
    asked.publish(without(SMALL, CLUSTER, "c2"))

    assert asked.acked() == [(CLUSTER, ["c1"])]
