"""Delta rules, one sentence each: what delta does its own way. What both protocols share is told in test_sotw."""

from typing import NamedTuple

from envoy.service.discovery.v3 import discovery_pb2

from mirrorplane.api.resource import CLUSTER, ENDPOINT, LISTENER, ROUTE
from mirrorplane.controlplane.xds.delta import DeltaSession
from mirrorplane.controlplane.xds.push_order import PushLimits
from mirrorplane.controlplane.xds.requests import DeltaRequest, Nack, Unserved
from tests.controlplane.xds.resource_worlds import SMALL, Item, first_set, having, next_set, without
from tests.controlplane.xds.test_sotw import everything as everything_sotw

VHDS = "type.googleapis.com/envoy.config.route.v3.VirtualHost"


class Got(NamedTuple):
    """A response, as far as these tests look at it."""

    type_url: str
    names: list[str]
    removed: list[str] = []


class Asked:
    """A session one speaks to in short words; `acked` answers at once."""

    def __init__(self, world=SMALL, *, grace: float = 0.0, most: int = 1000) -> None:
        self.set = first_set(world)
        self.session = DeltaSession(self.set, PushLimits(grace=grace, max_resources=most), now=0.0)
        self.nonce: dict[str, str] = {}

    def ask(self, type_url: str, *names: str, leave: tuple[str, ...] = (), initial=None):
        return self.session.receive(DeltaRequest(type_url, names, leave, initial or {}))

    def next(self, now: float = 1.0) -> Got | None:
        message = self.session.next(now)
        if message is None:
            return None
        response = discovery_pb2.DeltaDiscoveryResponse.FromString(message)
        self.nonce[response.type_url] = response.nonce
        return Got(response.type_url, [entry.name for entry in response.resources], list(response.removed_resources))

    def ack(self, type_url: str, error: str | None = None):
        return self.session.receive(DeltaRequest(type_url, nonce=self.nonce[type_url], error=error))

    def acked(self, now: float = 1.0) -> list[Got]:
        """ACK every response until none comes; return them."""
        seen = []
        while (response := self.next(now)) is not None:
            seen.append(response)
            self.ack(response.type_url)
        return seen

    def publish(self, world) -> None:
        self.set = next_set(self.set, world)
        self.session.offer(self.set)

    def versions(self, type_url: str) -> dict[str, str]:
        return {name: resource.version for name, resource in self.set.of(type_url).items()}


def everything(world=SMALL, **pace: float) -> Asked:
    asked = Asked(world, **pace)
    asked.ask(CLUSTER)
    asked.ask(ENDPOINT, "e1", "e2")
    asked.ask(LISTENER)
    asked.ask(ROUTE, "r1")
    asked.acked()
    return asked


def test_many_resources_come_in_several_responses() -> None:
    asked = Asked({CLUSTER: {f"c{number}": Item() for number in range(5)}}, most=2)
    asked.ask(CLUSTER)
    asked.ask(LISTENER)
    responses = asked.acked()
    assert [len(response.names) for response in responses] == [2, 2, 1, 0]
    assert sorted(name for response in responses for name in response.names) == ["c0", "c1", "c2", "c3", "c4"]
    assert responses[-1].type_url == LISTENER, "which waits for all of the clusters"


def test_the_removal_of_a_cluster_is_not_taken_for_the_response_that_brought_it_as_one_of_many() -> None:
    asked = Asked({CLUSTER: {"old": Item()}}, most=1, grace=2.0)
    asked.ask(CLUSTER)
    asked.publish({CLUSTER: {"new": Item(), "newer": Item(), "newest": Item()}})
    assert ["old"] in [response.names for response in asked.acked(now=1.0)]
    assert asked.acked(now=9.0) == [Got(CLUSTER, [], ["old"])]


def test_only_what_changed_is_sent() -> None:
    asked = everything()
    asked.publish(having(SMALL, CLUSTER, c3=Item()))

    assert asked.acked() == [Got(CLUSTER, ["c3"])]


def test_a_name_that_does_not_exist_is_answered_at_once() -> None:
    asked = Asked()
    asked.ask(ENDPOINT, "e1", "e9")

    assert asked.next() == Got(ENDPOINT, ["e1"], ["e9"])


def test_an_empty_set_is_answered_or_envoy_would_wait() -> None:
    asked = Asked({})
    asked.ask(CLUSTER)

    assert asked.acked() == [Got(CLUSTER, [])]


def test_a_type_nobody_serves_is_told_once_and_answered_empty() -> None:
    asked = Asked()

    assert asked.ask(VHDS, "rc/host") == Unserved(VHDS)
    assert asked.ask(VHDS, "rc/other") is None
    assert asked.acked() == [Got(VHDS, [], ["rc/host", "rc/other"])]


def test_a_second_subscription_is_answered_again() -> None:
    asked = everything()
    asked.ask(ENDPOINT, "e1")

    assert asked.acked() == [Got(ENDPOINT, ["e1"])]


def test_what_was_unsubscribed_is_not_sent() -> None:
    asked = everything()
    asked.ask(ENDPOINT, leave=("e1",))
    asked.publish(having(SMALL, ENDPOINT, e1=Item(salt=1), e2=Item(salt=1)))

    assert asked.acked() == [Got(ENDPOINT, ["e2"])]


def test_leaving_a_name_under_the_wildcard_tells_whether_the_wildcard_covers_it() -> None:
    asked = everything()
    asked.ask(CLUSTER, "c1", "c9")
    asked.acked()
    asked.ask(CLUSTER, leave=("c1", "c9"))

    assert asked.next() == Got(CLUSTER, ["c1"], ["c9"])


def test_leaving_the_wildcard_leaves_the_names() -> None:
    asked = everything()
    asked.ask(CLUSTER, "c1")
    asked.acked()
    asked.ask(CLUSTER, leave=("*",))
    asked.publish(having(SMALL, CLUSTER, c1=Item(salt=1), c2=Item(salt=1), c3=Item()))

    assert asked.acked() == [Got(CLUSTER, ["c1"])]


def test_a_changed_cluster_brings_its_endpoints_again() -> None:
    asked = everything()
    asked.publish(having(SMALL, CLUSTER, c1=Item(salt=1, uses=("e1",))))

    assert asked.acked() == [Got(CLUSTER, ["c1"]), Got(ENDPOINT, ["e1"])]


def test_endpoints_named_after_their_changed_cluster_was_sent_are_sent_whatever_the_proxy_holds() -> None:
    asked = Asked()
    asked.ask(CLUSTER, initial={"c1": "of another day"})
    asked.next()
    asked.ask(ENDPOINT, "e1", initial=asked.versions(ENDPOINT))

    assert asked.next() == Got(ENDPOINT, ["e1"])


def test_a_proxy_that_comes_back_is_sent_only_what_it_lacks() -> None:
    asked = Asked()
    versions = asked.versions(CLUSTER)
    asked.ask(CLUSTER, initial={**versions, "c2": "of another day"})

    assert asked.acked() == [Got(CLUSTER, ["c2"])]


def test_a_proxy_that_holds_everything_is_sent_nothing() -> None:
    asked = Asked()
    asked.ask(CLUSTER, initial=asked.versions(CLUSTER))
    asked.ask(ENDPOINT, "e1", "e2", initial=asked.versions(ENDPOINT))
    asked.ask(LISTENER, initial=asked.versions(LISTENER))
    asked.ask(ROUTE, "r1", initial=asked.versions(ROUTE))

    assert asked.acked() == []


def test_a_cluster_that_vanished_while_the_proxy_was_away_goes_after_its_routes() -> None:
    asked = Asked()
    asked.ask(CLUSTER, initial={**asked.versions(CLUSTER), "gone": "v"})
    assert asked.acked() == []
    asked.ask(LISTENER, initial=asked.versions(LISTENER))
    asked.ask(ROUTE, "r1", initial={"r1": "naming gone"})

    assert asked.acked() == [Got(ROUTE, ["r1"]), Got(CLUSTER, [], ["gone"])]


def test_a_proxy_without_routes_does_not_keep_vanished_clusters_for_ever() -> None:
    asked = Asked()
    asked.ask(CLUSTER, initial={**asked.versions(CLUSTER), "gone": "v"})
    assert asked.acked(now=4.9) == []
    assert asked.session.wake_at(4.9) == 5.0

    assert asked.acked(now=5.0) == [Got(CLUSTER, [], ["gone"])]


def test_a_vanished_cluster_that_is_back_in_the_set_is_not_sent_when_the_proxy_holds_it() -> None:
    asked = Asked(without(SMALL, CLUSTER, "c2"))
    held = {name: resource.version for name, resource in first_set(SMALL).of(CLUSTER).items()}
    asked.ask(CLUSTER, initial=held)
    asked.publish(SMALL)

    assert asked.acked(now=9.0) == []


def test_after_a_nack_all_of_the_response_is_sent_again_in_parts() -> None:
    asked = everything()
    asked.publish(having(SMALL, CLUSTER, c1=Item(salt=1), c2=Item(salt=1)))
    asked.next()
    outcome = asked.ack(CLUSTER, error="bad")

    assert isinstance(outcome, Nack)
    assert outcome.names == ("c1", "c2")
    assert asked.acked() == [Got(CLUSTER, ["c1"]), Got(CLUSTER, ["c2"])]


def test_a_change_that_came_while_the_bad_response_was_on_its_way_is_a_change() -> None:
    asked = everything()
    asked.publish(having(SMALL, CLUSTER, c1=Item(salt=1), c2=Item(salt=1)))
    asked.next()
    asked.publish(having(SMALL, CLUSTER, c1=Item(salt=2), c2=Item(salt=1)))
    asked.ack(CLUSTER, error="bad")

    assert asked.acked() == [Got(CLUSTER, ["c2"]), Got(CLUSTER, ["c1"])]


def test_additions_come_before_and_removals_after_the_routes() -> None:
    asked = everything()
    world = having(without(SMALL, CLUSTER, "c2"), CLUSTER, c3=Item())
    asked.publish(having(world, ROUTE, r1=Item(uses=("c1", "c3"))))

    assert asked.acked() == [Got(CLUSTER, ["c3"]), Got(ROUTE, ["r1"]), Got(CLUSTER, [], ["c2"])]


def test_both_protocols_give_the_same_content_the_same_version() -> None:
    delta = {status.type_url: status.acked for status in everything().session.status()}
    sotw = {status.type_url: status.acked for status in everything_sotw().session.status()}

    assert delta == sotw


def test_a_listener_that_stays_rejected_does_not_keep_what_vanished_alive() -> None:
    asked = everything()
    asked.publish(having(SMALL, LISTENER, l9=Item()))
    assert asked.next() == Got(LISTENER, ["l9"])
    asked.ack(LISTENER, error="port is taken")
    asked.publish(having(without(SMALL, CLUSTER, "c2"), LISTENER, l9=Item()))

    assert asked.acked() == [Got(CLUSTER, [], ["c2"])]


def test_a_route_that_stays_rejected_keeps_the_clusters_it_may_still_name() -> None:
    asked = everything()
    world = having(without(SMALL, CLUSTER, "c2"), ROUTE, r1=Item(uses=("c1",)))
    asked.publish(world)
    assert asked.next() == Got(ROUTE, ["r1"])
    asked.ack(ROUTE, error="bad route")
    assert asked.acked(now=1000.0) == []

    asked.publish(having(world, ROUTE, r1=Item(uses=("c1",), salt=1)))
    assert asked.acked(now=1001.0) == [Got(ROUTE, ["r1"]), Got(CLUSTER, [], ["c2"])]
