"""Delta rules, one sentence each: what delta does its own way. Rules that both protocols share are in test_sotw."""

from mirrorplane.api.resource import CLUSTER, ENDPOINT, LISTENER, ROUTE
from mirrorplane.controlplane.xds.requests import Nack, Unserved
from tests.controlplane.xds.delta_client import Client, Response, subscribed_client
from tests.controlplane.xds.resource_worlds import SMALL, Item, first_set, having, without
from tests.controlplane.xds.sotw_client import subscribed_client as sotw_client

VHDS = "type.googleapis.com/envoy.config.route.v3.VirtualHost"


def test_many_resources_come_in_several_responses() -> None:
    client = Client({CLUSTER: {f"c{number}": Item() for number in range(5)}}, most=2)
    client.request(CLUSTER)
    client.request(LISTENER)
    responses = client.ack_all()
    assert [len(response.names) for response in responses] == [2, 2, 1, 0]
    assert sorted(name for response in responses for name in response.names) == ["c0", "c1", "c2", "c3", "c4"]
    assert responses[-1].type_url == LISTENER, "which waits for all of the clusters"


def test_the_removal_of_a_cluster_is_not_taken_for_the_response_that_brought_it_as_one_of_many() -> None:
    client = Client({CLUSTER: {"old": Item()}}, most=1, grace=2.0)
    client.request(CLUSTER)
    client.publish({CLUSTER: {"new": Item(), "newer": Item(), "newest": Item()}})
    assert ["old"] in [response.names for response in client.ack_all(now=1.0)]
    assert client.ack_all(now=9.0) == [Response(CLUSTER, [], ["old"])]


def test_only_what_changed_is_sent() -> None:
    client = subscribed_client()
    client.publish(having(SMALL, CLUSTER, c3=Item()))

    assert client.ack_all() == [Response(CLUSTER, ["c3"])]


def test_a_name_that_does_not_exist_is_answered_at_once() -> None:
    client = Client()
    client.request(ENDPOINT, "e1", "e9")

    assert client.next() == Response(ENDPOINT, ["e1"], ["e9"])


def test_an_empty_set_is_answered_or_envoy_would_wait() -> None:
    client = Client({})
    client.request(CLUSTER)

    assert client.ack_all() == [Response(CLUSTER, [])]


def test_an_unserved_type_is_reported_once_and_answered_empty() -> None:
    client = Client()

    assert client.request(VHDS, "rc/host") == Unserved(VHDS)
    assert client.request(VHDS, "rc/other") is None
    assert client.ack_all() == [Response(VHDS, [], ["rc/host", "rc/other"])]


def test_a_second_subscription_is_answered_again() -> None:
    client = subscribed_client()
    client.request(ENDPOINT, "e1")

    assert client.ack_all() == [Response(ENDPOINT, ["e1"])]


def test_what_was_unsubscribed_is_not_sent() -> None:
    client = subscribed_client()
    client.request(ENDPOINT, leave=("e1",))
    client.publish(having(SMALL, ENDPOINT, e1=Item(salt=1), e2=Item(salt=1)))

    assert client.ack_all() == [Response(ENDPOINT, ["e2"])]


def test_leaving_a_name_under_the_wildcard_tells_whether_the_wildcard_covers_it() -> None:
    client = subscribed_client()
    client.request(CLUSTER, "c1", "c9")
    client.ack_all()
    client.request(CLUSTER, leave=("c1", "c9"))

    assert client.next() == Response(CLUSTER, ["c1"], ["c9"])


def test_leaving_the_wildcard_leaves_the_names() -> None:
    client = subscribed_client()
    client.request(CLUSTER, "c1")
    client.ack_all()
    client.request(CLUSTER, leave=("*",))
    client.publish(having(SMALL, CLUSTER, c1=Item(salt=1), c2=Item(salt=1), c3=Item()))

    assert client.ack_all() == [Response(CLUSTER, ["c1"])]


def test_a_changed_cluster_brings_its_endpoints_again() -> None:
    client = subscribed_client()
    client.publish(having(SMALL, CLUSTER, c1=Item(salt=1, uses=("e1",))))

    assert client.ack_all() == [Response(CLUSTER, ["c1"]), Response(ENDPOINT, ["e1"])]


def test_endpoints_named_after_their_changed_cluster_was_sent_are_sent_whatever_the_proxy_holds() -> None:
    client = Client()
    client.request(CLUSTER, initial={"c1": "of another day"})
    client.next()
    client.request(ENDPOINT, "e1", initial=client.versions(ENDPOINT))

    assert client.next() == Response(ENDPOINT, ["e1"])


def test_a_proxy_that_comes_back_is_sent_only_what_it_lacks() -> None:
    client = Client()
    versions = client.versions(CLUSTER)
    client.request(CLUSTER, initial={**versions, "c2": "of another day"})

    assert client.ack_all() == [Response(CLUSTER, ["c2"])]


def test_a_proxy_that_holds_everything_is_sent_nothing() -> None:
    client = Client()
    client.request(CLUSTER, initial=client.versions(CLUSTER))
    client.request(ENDPOINT, "e1", "e2", initial=client.versions(ENDPOINT))
    client.request(LISTENER, initial=client.versions(LISTENER))
    client.request(ROUTE, "r1", initial=client.versions(ROUTE))

    assert client.ack_all() == []


def test_a_cluster_that_vanished_while_the_proxy_was_away_is_removed_after_its_routes() -> None:
    client = Client()
    client.request(CLUSTER, initial={**client.versions(CLUSTER), "gone": "v"})
    assert client.ack_all() == []
    client.request(LISTENER, initial=client.versions(LISTENER))
    client.request(ROUTE, "r1", initial={"r1": "naming gone"})

    assert client.ack_all() == [Response(ROUTE, ["r1"]), Response(CLUSTER, [], ["gone"])]


def test_a_proxy_without_routes_does_not_keep_vanished_clusters_for_ever() -> None:
    client = Client()
    client.request(CLUSTER, initial={**client.versions(CLUSTER), "gone": "v"})
    assert client.ack_all(now=4.9) == []
    assert client.session.wake_at(4.9) == 5.0

    assert client.ack_all(now=5.0) == [Response(CLUSTER, [], ["gone"])]


def test_a_vanished_cluster_that_is_back_in_the_set_is_not_sent_when_the_proxy_holds_it() -> None:
    client = Client(without(SMALL, CLUSTER, "c2"))
    versions = {name: resource.version for name, resource in first_set(SMALL).of_type(CLUSTER).items()}
    client.request(CLUSTER, initial=versions)
    client.publish(SMALL)

    assert client.ack_all(now=9.0) == []


def test_after_a_nack_all_of_the_response_is_sent_again_in_parts() -> None:
    client = subscribed_client()
    client.publish(having(SMALL, CLUSTER, c1=Item(salt=1), c2=Item(salt=1)))
    client.next()
    outcome = client.ack(CLUSTER, error="bad")

    assert isinstance(outcome, Nack)
    assert outcome.names == ("c1", "c2")
    assert client.ack_all() == [Response(CLUSTER, ["c1"]), Response(CLUSTER, ["c2"])]


def test_a_change_that_came_while_the_bad_response_was_on_its_way_is_a_change() -> None:
    client = subscribed_client()
    client.publish(having(SMALL, CLUSTER, c1=Item(salt=1), c2=Item(salt=1)))
    client.next()
    client.publish(having(SMALL, CLUSTER, c1=Item(salt=2), c2=Item(salt=1)))
    client.ack(CLUSTER, error="bad")

    assert client.ack_all() == [Response(CLUSTER, ["c2"]), Response(CLUSTER, ["c1"])]


def test_additions_come_before_and_removals_after_the_routes() -> None:
    client = subscribed_client()
    world = having(without(SMALL, CLUSTER, "c2"), CLUSTER, c3=Item())
    client.publish(having(world, ROUTE, r1=Item(uses=("c1", "c3"))))

    assert client.ack_all() == [Response(CLUSTER, ["c3"]), Response(ROUTE, ["r1"]), Response(CLUSTER, [], ["c2"])]


def test_both_protocols_give_the_same_content_the_same_version() -> None:
    delta = {status.type_url: status.acked for status in subscribed_client().session.status()}
    sotw = {status.type_url: status.acked for status in sotw_client().session.status()}

    assert delta == sotw


def test_a_listener_that_stays_rejected_does_not_keep_what_vanished_alive() -> None:
    client = subscribed_client()
    client.publish(having(SMALL, LISTENER, l9=Item()))
    assert client.next() == Response(LISTENER, ["l9"])
    client.ack(LISTENER, error="port is taken")
    client.publish(having(without(SMALL, CLUSTER, "c2"), LISTENER, l9=Item()))

    assert client.ack_all() == [Response(CLUSTER, [], ["c2"])]


def test_a_route_that_stays_rejected_keeps_the_clusters_it_may_still_name() -> None:
    client = subscribed_client()
    world = having(without(SMALL, CLUSTER, "c2"), ROUTE, r1=Item(uses=("c1",)))
    client.publish(world)
    assert client.next() == Response(ROUTE, ["r1"])
    client.ack(ROUTE, error="bad route")
    assert client.ack_all(now=1000.0) == []

    client.publish(having(world, ROUTE, r1=Item(uses=("c1",), salt=1)))
    assert client.ack_all(now=1001.0) == [Response(ROUTE, ["r1"]), Response(CLUSTER, [], ["c2"])]
