"""A rejected response is taken apart until the culprits are known: the rest is served, and nothing is tried twice."""

from math import ceil, log2

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mirrorplane.api.resource import CLUSTER, ENDPOINT, ROUTE
from mirrorplane.controlplane.xds.nack_bisect import MAX_CULPRITS, NackBisect, listed_culprits
from mirrorplane.controlplane.xds.requests import Ack, DeltaRequest, Nack
from tests.controlplane.xds.delta_client import Client, Response, subscribed_client
from tests.controlplane.xds.resource_worlds import SMALL, Item, having

BY_NAME = "Error adding/updating cluster(s) "


class Judge(Client):
    """A delta proxy that rejects whatever has one of `bad` in it, and the findings that come of it."""

    def __init__(self, world) -> None:
        super().__init__(world)
        self.world = world
        self.bad: set[str] = set()
        self.blamed: dict[str, str] = {}
        self.nacks: list[Nack] = []

    def touch(self, *names: str, salt: int, type_url: str = ENDPOINT) -> None:
        touched = {name: Item(salt, self.world[type_url][name].uses) for name in names}
        self.world = having(self.world, type_url, **touched)
        self.publish(self.world)

    def judge(self, response: Response, text: str = "bad") -> None:
        outcome = self.ack(response.type_url, error=text if self.bad.intersection(response.names) else None)
        match outcome:
            case Nack(_, names, _, message):
                self.nacks.append(outcome)
                self.blamed |= dict.fromkeys(names, message)
            case Ack(_, _, rejected):
                self.blamed = {name: message for name, message in self.blamed.items() if name in rejected}

    def judge_all(self) -> list[list[str]]:
        """Answer until nothing comes; return the names of each response."""
        responses = []
        while (response := self.next()) is not None:
            responses.append(response.names)
            self.judge(response, f"bad: {sorted(self.bad.intersection(response.names))}")
            assert len(responses) < 1000
        return responses


def many(number: int) -> Judge:
    """A proxy that holds that many endpoints, from e00 on."""
    names = [f"e{number:02}" for number in range(number)]
    proxy = Judge({ENDPOINT: dict.fromkeys(names, Item())})
    proxy.request(ENDPOINT, *names)
    proxy.ack_all()
    return proxy


def changed(number: int, *bad: int) -> Judge:
    """The same, with a change of all of them, some of which are bad."""
    proxy = many(number)
    proxy.bad = {f"e{number:02}" for number in bad}
    proxy.touch(*proxy.world[ENDPOINT], salt=1)
    return proxy


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (BY_NAME + "c1: no such factory for 'c10', c3: 'c2' is bad", {"c1", "c3"}),
        (BY_NAME + "c10: bad", {"c10"}),
        (BY_NAME + "outbound|80||a.b: bad", {"outbound|80||a.b"}),
        ("Error adding/updating listener(s) c2: cannot bind: Address already in use\nc10: bad\n", {"c2", "c10"}),
        (BY_NAME + "c4: not one of those that were sent", set()),
        ('goo.gle/debugstr\nname: "c1"\n: Proto constraint validation failed', set()),
        ("Only a single wildcard domain is permitted in route c1", set()),
        ("c1: bad", set()),
    ],
)
def test_culprits_listed_in_envoys_message(message: str, expected: set[str]) -> None:
    assert listed_culprits(message, ["c1", "c2", "c3", "c10", "outbound|80||a.b"]) == expected


def test_suspects_are_tried_in_halves_the_newest_first() -> None:
    suspects = NackBisect()
    suspects.split(["d", "c", "b", "a", "e"])
    assert suspects.next_group == {"a", "b", "c"}
    suspects.discard({"a", "b", "c"})
    suspects.split(["a", "b", "c"])
    suspects.discard({"a", "b"})

    assert suspects.next_group == {"c"}
    assert "d" in suspects
    assert "a" not in suspects


def test_half_by_half_the_culprit_is_found_and_the_rest_arrives() -> None:
    proxy = changed(8, 5)

    assert [len(names) for names in proxy.judge_all()] == [8, 4, 4, 2, 1, 1, 2]
    assert proxy.nacks[0].names == tuple(f"e{number:02}" for number in range(8))
    assert proxy.blamed == {"e05": "bad: ['e05']"}


def test_a_resource_rejected_alone_is_a_culprit_at_once() -> None:
    proxy = many(4)
    proxy.bad = {"e01"}
    proxy.touch("e01", salt=1)

    assert proxy.judge_all() == [["e01"]]
    assert proxy.blamed.keys() == {"e01"}


def test_a_culprit_is_left_alone_until_it_changes_and_then_is_sent_alone() -> None:
    proxy = changed(8, 2, 5)
    proxy.judge_all()
    proxy.touch("e00", salt=2)
    assert proxy.judge_all() == [["e00"]]
    proxy.touch("e02", salt=2)
    assert proxy.judge_all() == [["e02"]]
    proxy.bad.clear()
    proxy.touch("e05", salt=2)

    assert proxy.judge_all() == [["e05"]]
    assert proxy.blamed.keys() == {"e02"}


@given(st.integers(1, 99).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1), max_size=12))))
@example((64, {0, 63}))
def test_a_search_finds_all_culprits_and_takes_few_responses(world: tuple[int, set[int]]) -> None:
    number, bad = world
    proxy = changed(number, *bad)
    responses = proxy.judge_all()

    assert proxy.blamed.keys() == proxy.bad
    assert len(responses) <= 1 + 2 * len(bad) * ceil(log2(number or 1))


def test_where_nearly_everything_is_bad_the_search_is_given_up() -> None:
    proxy = changed(99, *range(99))
    responses = proxy.judge_all()

    assert len([names for names in responses if len(names) == 1]) == MAX_CULPRITS + 1
    assert len(responses) < 50
    assert proxy.blamed.keys() == proxy.bad


def test_names_given_up_are_tried_again_together_once_any_of_them_changes_but_no_culprit_is() -> None:
    proxy = changed(99, *range(99))
    proxy.judge_all()
    culprits = {nack.names[0] for nack in proxy.nacks if len(nack.names) == 1}
    proxy.bad = set(culprits)
    proxy.touch("e98", salt=2)

    assert proxy.judge_all() == [sorted(proxy.world[ENDPOINT].keys() - culprits)]
    assert proxy.blamed.keys() == culprits


def test_a_second_search_may_take_as_long_as_the_first() -> None:
    proxy = changed(40, *range(12))
    proxy.judge_all()
    proxy.touch(*proxy.world[ENDPOINT], salt=2)
    proxy.judge_all()

    assert proxy.blamed.keys() == proxy.bad


def test_culprits_that_envoy_lists_are_not_tried_and_the_rest_is_confirmed_at_once() -> None:
    proxy = Judge({CLUSTER: {f"c{number}": Item() for number in range(9)}})
    proxy.request(CLUSTER)
    proxy.ack_all()
    proxy.touch(*proxy.world[CLUSTER], salt=1, type_url=CLUSTER)
    proxy.next()
    outcome = proxy.ack(CLUSTER, error=BY_NAME + "c3: bad, c5: bad")

    assert isinstance(outcome, Nack)
    assert outcome.names == ("c3", "c5")
    assert proxy.judge_all() == [["c0", "c1", "c2", "c4", "c6", "c7", "c8"]]
    assert proxy.ack_all() == []


def test_a_suspect_that_changes_is_innocent_again() -> None:
    proxy = changed(8, 5)
    proxy.judge(proxy.next())
    proxy.bad.clear()
    proxy.touch("e05", salt=2)

    assert proxy.judge_all() == [["e00", "e01", "e02", "e03"], ["e05"], ["e04", "e06", "e07"]]
    assert proxy.blamed == {}


def test_a_culprit_that_changes_under_way_is_not_taken_for_one() -> None:
    proxy = changed(4, 1)
    response = proxy.next()
    proxy.touch("e01", salt=2)
    proxy.judge(response)
    proxy.bad.clear()

    assert proxy.judge_all() == [["e00", "e02", "e03"], ["e01"]]
    assert proxy.blamed == {}


def test_content_that_reverts_to_a_version_rejected_meanwhile_is_tried_again() -> None:
    proxy = many(1)
    proxy.bad = {"e00"}
    proxy.touch("e00", salt=1)
    response = proxy.next()
    proxy.touch("e00", salt=2)
    proxy.judge(response)
    proxy.touch("e00", salt=1)

    assert proxy.judge_all() == [["e00"]]
    assert proxy.blamed.keys() == {"e00"}


def test_changes_and_suspects_take_turns() -> None:
    proxy = changed(8, 0)
    responses = []
    for salt in range(2, 9):
        response = proxy.next()
        responses.append(response.names)
        proxy.judge(response)
        proxy.touch("e07", salt=salt)

    assert responses[1:] == [
        ["e00", "e01", "e02", "e03"],
        ["e07"],
        ["e00", "e01"],
        ["e07"],
        ["e00"],
        ["e07"],
    ]


def test_a_name_unsubscribed_during_a_search_is_not_sent() -> None:
    proxy = changed(4, 0)
    proxy.judge(proxy.next())
    proxy.session.receive(DeltaRequest(ENDPOINT, unsubscribe=("e01", "e02", "e03")))

    assert proxy.judge_all() == [["e00"]]


def test_a_resource_that_vanishes_during_a_search_is_removed() -> None:
    proxy = changed(4, 0)
    proxy.judge(proxy.next())
    proxy.world = {ENDPOINT: {name: item for name, item in proxy.world[ENDPOINT].items() if name != "e03"}}
    proxy.publish(proxy.world)
    responses = [proxy.next()]
    while responses[-1]:
        proxy.judge(responses[-1])
        responses.append(proxy.next())

    assert Response(ENDPOINT, [], ["e03"]) in responses
    assert Response(ENDPOINT, ["e02"]) in responses


def test_routes_wait_for_a_search_as_long_as_they_wait_for_one_response() -> None:
    proxy = subscribed_client()
    world = having(SMALL, CLUSTER, **{f"c{number}": Item() for number in range(3, 9)})
    proxy.publish(having(world, ROUTE, r1=Item(uses=("c3",))))
    responses = []
    for now in (10.0, 12.0, 14.0, 16.0):
        assert proxy.next(now).type_url == CLUSTER
        responses.append(proxy.next(now))
        proxy.ack(CLUSTER, error="bad")

    assert responses == [None, None, None, Response(ROUTE, ["r1"])]


def test_bad_endpoints_that_a_warming_cluster_waits_for_are_sent_alone_and_last() -> None:
    proxy = Judge({CLUSTER: {"c1": Item(uses=("e1", "e2"))}, ENDPOINT: {"e1": Item(), "e2": Item()}})
    proxy.bad = {"e1"}
    proxy.request(CLUSTER)
    proxy.request(ENDPOINT, "e1", "e2")
    proxy.judge_all()
    assert proxy.blamed.keys() == {"e1"}
    proxy.touch("c1", salt=1, type_url=CLUSTER)

    assert proxy.judge_all() == [["c1"], ["e2"], ["e1"]]
    assert proxy.blamed.keys() == {"e1"}


def test_a_culprit_that_is_accepted_after_all_is_none_any_more() -> None:
    proxy = Judge({CLUSTER: {"c1": Item(uses=("e1", "e2"))}, ENDPOINT: {"e1": Item(), "e2": Item()}})
    proxy.bad = {"e1"}
    proxy.request(CLUSTER)
    proxy.request(ENDPOINT, "e1", "e2")
    proxy.judge_all()
    proxy.bad.clear()
    proxy.touch("c1", salt=1, type_url=CLUSTER)
    assert proxy.judge_all() == [["c1"], ["e2"], ["e1"]]
    assert proxy.blamed == {}
    proxy.touch("c1", salt=2, type_url=CLUSTER)

    assert proxy.judge_all() == [["c1"], ["e1", "e2"]]


def test_a_culprit_that_is_unsubscribed_and_subscribed_again_begins_anew() -> None:
    proxy = changed(4, 1)
    proxy.judge_all()
    proxy.request(ENDPOINT, leave=("e01", "e02"))
    proxy.request(ENDPOINT, "e01", "e02")

    assert proxy.judge_all()[0] == ["e01", "e02"]
