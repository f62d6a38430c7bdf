"""SotW rules, one sentence each."""

import itertools

import pytest
from envoy.config.endpoint.v3 import endpoint_pb2

from mirrorplane.api.resource import CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET
from mirrorplane.controlplane.xds.push_order import PushLimits
from mirrorplane.controlplane.xds.requests import Ack, Nack, SotwRequest, Unserved
from mirrorplane.controlplane.xds.shared_responses import SharedResponses
from mirrorplane.controlplane.xds.sotw import SotwSession
from tests.controlplane.xds.resource_worlds import SMALL, Item, first_set, having, without
from tests.controlplane.xds.sotw_client import Client, names_in, subscribed_client

RUNTIME = "type.googleapis.com/envoy.service.runtime.v3.Runtime"


def test_a_first_request_without_names_means_everything() -> None:
    client = Client()
    client.request(CLUSTER)

    assert names_in(client.next()) == ["c1", "c2"]


def test_an_explicit_wildcard_means_everything_until_it_is_taken_back() -> None:
    client = Client()
    client.request(CLUSTER, "*")
    response = client.next()
    client.request(CLUSTER, nonce=response.nonce, version=response.version_info)

    assert names_in(response) == ["c1", "c2"]
    assert names_in(client.next()) == []


def test_a_first_request_for_no_endpoints_gets_no_answer() -> None:
    client = Client()
    client.request(ENDPOINT)

    assert client.next() is None


def test_an_empty_set_is_answered_or_envoy_would_wait() -> None:
    client = Client({})
    client.request(CLUSTER)

    assert names_in(client.next()) == []


def test_a_stale_nonce_changes_nothing() -> None:
    client = subscribed_client()
    client.publish(having(SMALL, ENDPOINT, e1=Item(salt=1)))
    newer = client.next()
    assert client.request(ENDPOINT, "e2", nonce=client.nonces[ENDPOINT][0]) is None
    client.names[ENDPOINT] = ("e1", "e2")
    client.ack(newer)
    client.publish(having(SMALL, ENDPOINT, e1=Item(salt=2)))

    assert client.ack_all() == [(ENDPOINT, ["e1"])]


def test_only_the_newest_set_is_sent_after_an_ack() -> None:
    client = Client()
    client.request(ENDPOINT, "e1")
    response = client.next()
    for salt in (1, 2, 3):
        client.publish(having(SMALL, ENDPOINT, e1=Item(salt=salt)))
    assert client.next() is None
    client.ack(response)

    sent = endpoint_pb2.ClusterLoadAssignment.FromString(client.next().resources[0].value)
    assert sent.endpoints[0].priority == 4


def test_content_that_came_back_before_it_was_sent_is_not_sent() -> None:
    client = subscribed_client()
    client.publish(having(SMALL, CLUSTER, c1=Item(salt=9, uses=("e1",))))
    client.publish(SMALL)

    assert client.ack_all() == []


@pytest.mark.parametrize("skipped", [0, 3])
def test_only_the_changed_endpoints_are_sent(skipped: int) -> None:
    client = subscribed_client()
    client.publish(having(SMALL, ENDPOINT, e2=Item(salt=1)), skipped=skipped)

    assert client.ack_all() == [(ENDPOINT, ["e2"])]


def test_endpoints_that_do_not_exist_are_sent_empty() -> None:
    client = Client()
    client.request(ENDPOINT, "e9")
    [entry] = client.next().resources

    assert entry.value == endpoint_pb2.ClusterLoadAssignment(cluster_name="e9").SerializeToString()


def test_a_route_that_does_not_exist_is_sent_once_it_does() -> None:
    client = Client()
    client.request(ROUTE, "r9")
    assert client.next() is None
    client.publish(having(SMALL, ROUTE, r9=Item(uses=("c1",))))

    assert client.ack_all() == [(ROUTE, ["r9"])]


def test_a_changed_cluster_brings_its_endpoints_again() -> None:
    client = subscribed_client()
    client.publish(having(SMALL, CLUSTER, c1=Item(salt=1, uses=("e1",))))

    assert client.ack_all() == [(CLUSTER, ["c1", "c2"]), (ENDPOINT, ["e1"])]


def test_endpoints_follow_a_cluster_whose_ack_is_withheld() -> None:
    client = subscribed_client()
    client.publish(having(SMALL, CLUSTER, c1=Item(salt=1, uses=("e1",))))
    client.next()

    assert names_in(client.next()) == ["e1"]


def test_a_second_ack_of_the_same_endpoints_is_answered() -> None:
    client = Client()
    client.request(ENDPOINT, "e1")
    response = client.next()
    client.ack(response)
    assert client.next() is None
    client.ack(response)

    assert client.next().version_info == response.version_info


def test_nonces_differ_from_one_response_to_the_next_even_if_nothing_else_does() -> None:
    client = subscribed_client()
    for _ in range(3):
        client.request(ENDPOINT, "e1", "e2", nonce=client.nonces[ENDPOINT][-1])
        client.ack(client.next())
    nonces = client.nonces[ENDPOINT]

    assert all(before != after for before, after in itertools.pairwise(nonces))


@pytest.mark.parametrize(("type_url", "identical"), [(CLUSTER, True), (SECRET, False)])
def test_two_streams_of_one_set_send_the_same_bytes_unless_they_are_secrets(type_url: str, identical: bool) -> None:
    frames, cache = [], SharedResponses()
    for _ in range(2):
        session = SotwSession(first_set({type_url: {"x": Item()}}), PushLimits(), 0.0, cache)
        session.receive(SotwRequest(type_url, ("x",)))
        frames.append(session.next(0.0))

    assert frames[0] == frames[1]
    assert (frames[0] is frames[1]) == identical


def test_a_second_ack_is_not_answered_when_a_newer_response_is_on_its_way() -> None:
    client = subscribed_client()
    client.publish(having(SMALL, ENDPOINT, e1=Item(salt=1)))
    newer = client.next()
    client.request(ENDPOINT, "e1", "e2", nonce=client.nonces[ENDPOINT][0])
    client.ack(newer)

    assert client.next() is None


def test_a_proxy_that_comes_back_with_our_versions_is_sent_nothing() -> None:
    before = subscribed_client()
    versions = {status.type_url: status.acked for status in before.session.status()}
    after = Client()
    after.request(CLUSTER, version=versions[CLUSTER])
    after.request(ENDPOINT, "e2", "e1", version=versions[ENDPOINT])
    after.request(LISTENER, version=versions[LISTENER])
    after.request(ROUTE, "r1", version=versions[ROUTE])

    assert after.next() is None


def test_a_proxy_that_asks_for_less_learns_the_version_of_that() -> None:
    client = subscribed_client()
    client.request(ENDPOINT, "e1", nonce=client.nonces[ENDPOINT][-1], version="that of both")
    shrunk = client.next()
    back = Client()
    back.request(ENDPOINT, "e1", version=shrunk.version_info)

    assert list(shrunk.resources) == []
    assert back.next() is None


def test_a_proxy_that_came_back_and_then_asks_for_less_learns_the_version_of_that() -> None:
    version = {status.type_url: status.acked for status in subscribed_client().session.status()}[ENDPOINT]
    back = Client()
    back.request(ENDPOINT, "e1", "e2", version=version)
    back.request(ENDPOINT, "e1", version=version)

    assert back.next().version_info not in ("", version)


def test_endpoints_of_a_proxy_that_got_clusters_first_are_sent_whatever_version_it_claims() -> None:
    version = {s.type_url: s.acked for s in subscribed_client().session.status()}[ENDPOINT]
    back = Client()
    back.request(CLUSTER, version="of another day")
    back.next()
    back.request(ENDPOINT, "e1", "e2", version=version)

    assert names_in(back.next()) == ["e1", "e2"]


def test_rejected_content_is_not_sent_again_until_it_changes() -> None:
    client = subscribed_client()
    bad = having(SMALL, ROUTE, r1=Item(salt=1, uses=("c1",)))
    client.publish(bad)
    rejected = client.next()
    outcome = client.nack(rejected)
    client.publish(having(bad, ENDPOINT, e1=Item(salt=1)))
    assert outcome == Nack(ROUTE, ("r1",), rejected.version_info, "bad")
    assert client.ack_all() == [(ENDPOINT, ["e1"])]
    client.publish(SMALL)

    assert client.ack_all() == [(ENDPOINT, ["e1"]), (ROUTE, ["r1"])]


def test_a_nack_is_heard_whatever_its_nonce_and_changes_nothing_then() -> None:
    client = subscribed_client()
    outcome = client.request(CLUSTER, nonce="long ago", error="late")

    assert outcome == Nack(CLUSTER, (), "", "late")
    assert client.next() is None


def test_a_version_never_claims_what_the_proxy_rejected() -> None:
    world = having(SMALL, ROUTE, r2=Item(uses=("c1",)))
    client = Client(world)
    client.request(ROUTE, "r1", "r2")
    client.ack_all()
    world = having(world, ROUTE, r1=Item(salt=1, uses=("c1",)))
    client.publish(world)
    client.nack(client.next())
    world = having(world, ROUTE, r2=Item(salt=1, uses=("c1",)))
    client.publish(world)
    accepted = client.next()
    back = Client(world)
    back.request(ROUTE, "r1", "r2", version=accepted.version_info)

    assert names_in(back.next()) == ["r1", "r2"]


def test_an_ack_tells_the_version() -> None:
    client = Client()
    client.request(CLUSTER)
    response = client.next()

    assert client.ack(response) == Ack(CLUSTER, response.version_info)


def test_an_unserved_type_is_reported_once_and_ignored() -> None:
    client = Client()

    assert client.request(RUNTIME, "layer") == Unserved(RUNTIME)
    assert client.request(RUNTIME, "layer") is None
    assert client.next() is None


def test_routes_wait_for_clusters_and_endpoints() -> None:
    client = subscribed_client()
    world = having(SMALL, CLUSTER, c3=Item(uses=("e1",)))
    client.publish(having(world, ROUTE, r1=Item(uses=("c3",))))
    cluster = client.next()
    endpoints = client.next()
    assert client.next() is None
    client.ack(endpoints)
    assert client.next() is None
    client.ack(cluster)

    assert (cluster.type_url, endpoints.type_url, client.next().type_url) == (CLUSTER, ENDPOINT, ROUTE)


def test_routes_do_not_wait_for_ever() -> None:
    client = subscribed_client(ack_timeout=5.0)
    world = having(SMALL, CLUSTER, c3=Item(uses=("e9",)))
    client.publish(having(world, ROUTE, r1=Item(uses=("c3",))))
    client.next(now=10.0)
    assert client.next(now=14.9) is None
    assert client.session.wake_at(14.9) == 15.0

    assert client.next(now=15.0).type_url == ROUTE


def test_a_cluster_is_removed_only_after_the_routes_that_named_it() -> None:
    client = subscribed_client()
    world = without(SMALL, CLUSTER, "c2")
    client.publish(having(world, ROUTE, r1=Item(uses=("c1",))))

    assert client.ack_all() == [(ROUTE, ["r1"]), (CLUSTER, ["c1"])]


def test_a_cluster_stays_while_the_routes_that_do_without_it_are_rejected() -> None:
    client = subscribed_client()
    world = without(SMALL, CLUSTER, "c2")
    client.publish(having(world, ROUTE, r1=Item(uses=("c1",))))
    client.nack(client.next())
    assert client.ack_all() == []
    client.publish(having(world, ROUTE, r1=Item(salt=1, uses=("c1",))))

    assert client.ack_all() == [(ROUTE, ["r1"]), (CLUSTER, ["c1"])]


def test_the_endpoints_of_a_kept_cluster_are_kept_full() -> None:
    client = subscribed_client()
    world = without(without(SMALL, CLUSTER, "c2"), ENDPOINT, "e2")
    client.publish(having(world, ROUTE, r1=Item(uses=("c1",))))
    routes = client.next()
    assert client.next() is None
    client.ack(routes)

    assert client.ack_all() == [(CLUSTER, ["c1"]), (ENDPOINT, ["e2"])]


def test_a_cluster_that_nothing_names_stays_for_its_grace() -> None:
    client = subscribed_client(grace=3.0)
    world = having(without(SMALL, CLUSTER, "c2"), ROUTE, r1=Item(uses=("c1",)))
    client.publish(world)
    assert client.ack_all(now=10.0) == [(ROUTE, ["r1"])]
    assert client.session.wake_at(10.0) == 13.0
    assert client.ack_all(now=12.9) == []

    assert client.ack_all(now=13.0) == [(CLUSTER, ["c1"])]


def test_a_cluster_that_comes_back_while_kept_was_never_gone() -> None:
    client = subscribed_client()
    client.publish(having(without(SMALL, CLUSTER, "c2"), ROUTE, r1=Item(uses=("c1",))))
    routes = client.next()
    client.publish(SMALL)
    client.ack(routes)

    assert client.ack_all() == [(ROUTE, ["r1"])]


def test_without_listeners_and_routes_a_cluster_is_removed_at_once() -> None:
    client = Client()
    client.request(CLUSTER)
    client.ack_all()
    client.publish(without(SMALL, CLUSTER, "c2"))

    assert client.ack_all() == [(CLUSTER, ["c1"])]
