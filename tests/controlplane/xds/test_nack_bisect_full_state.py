"""A SotW response of clusters or listeners holds everything: what is rejected is replaced by what was accepted last."""

import pytest

from mirrorplane.api.resource import CLUSTER, LISTENER, Resource
from mirrorplane.controlplane.xds.requests import Ack, Nack
from tests.controlplane.xds.resource_worlds import Item, World, content_version, first_set, having, resource, salt_of
from tests.controlplane.xds.sotw_client import Client

OLD, NEW, NEWEST = 0, 1, 2


class Proxy(Client):
    """A proxy of one whole type that holds what it accepted, by name and salt."""

    def __init__(self, world: World, type_url: str = CLUSTER, *, version: str = "") -> None:
        super().__init__(world)
        self.world, self.type_url = world, type_url
        self.sent: list[dict[str, int]] = []
        self.request(type_url, version=version)

    def touch(self, **salts: int) -> None:
        self.world = having(self.world, self.type_url, **{name: Item(salt) for name, salt in salts.items()})
        self.publish(self.world)

    def salts(self, response) -> dict[str, int]:
        return {r["name"]: r["salt"] for r in map(read, response.resources)}

    def judge(self, bad: dict[str, int], message: str = "bad") -> list[Ack | Nack]:
        """Answer until nothing comes; reject what holds one of the bad."""
        outcomes = []
        while (response := self.next()) is not None:
            salts = self.salts(response)
            self.sent.append(salts)
            outcomes.append(self.nack(response, message) if salts.items() & bad.items() else self.ack(response))
            assert len(outcomes) < 100
        return outcomes


def read(entry) -> dict[str, object]:
    name = entry.value.decode().split('"')[1]
    return {"name": name, "salt": salt_of(CLUSTER, entry.value)}


def holding(*names: str, type_url: str = CLUSTER) -> Proxy:
    proxy = Proxy({type_url: dict.fromkeys(names, Item(OLD))}, type_url)
    proxy.judge({})
    proxy.sent.clear()
    return proxy


@pytest.mark.parametrize("type_url", [CLUSTER, LISTENER])
def test_the_accepted_version_of_a_rejected_resource_is_sent_along(type_url: str) -> None:
    proxy = holding("a", "b", "c", "d", type_url=type_url)
    proxy.touch(a=NEW, b=NEW, c=NEW)
    outcomes = proxy.judge({"b": NEW})

    assert proxy.sent == [
        {"a": NEW, "b": NEW, "c": NEW, "d": OLD},
        {"a": NEW, "b": NEW, "c": OLD, "d": OLD},
        {"a": NEW, "b": OLD, "c": OLD, "d": OLD},
        {"a": NEW, "b": NEW, "c": OLD, "d": OLD},
        {"a": NEW, "b": OLD, "c": NEW, "d": OLD},
    ]
    assert outcomes[-2].names == ("b",)
    assert outcomes[-1].rejected == {"b"}


def test_a_rejected_resource_without_a_predecessor_is_left_out() -> None:
    proxy = holding("a")
    proxy.touch(a=NEW, b=NEW)
    proxy.judge({"b": NEW})
    proxy.touch(c=NEW)
    proxy.judge({"b": NEW})

    assert proxy.sent[-1] == {"a": NEW, "c": NEW}


def test_a_culprit_is_sent_again_when_it_changes_and_the_rest_stays() -> None:
    proxy = holding("a", "b")
    proxy.touch(a=NEW, b=NEW)
    proxy.judge({"b": NEW})
    proxy.sent.clear()
    proxy.touch(b=NEWEST)
    outcomes = proxy.judge({"b": NEW})

    assert proxy.sent == [{"a": NEW, "b": NEWEST}]
    assert outcomes == [Ack(CLUSTER, outcomes[0].version)]


def test_a_culprit_that_vanishes_is_removed() -> None:
    proxy = holding("a", "b")
    proxy.touch(a=NEW, b=NEW)
    proxy.judge({"b": NEW})
    proxy.world = {CLUSTER: {"a": Item(NEW)}}
    proxy.publish(proxy.world)
    outcomes = proxy.judge({"b": NEW})

    assert proxy.sent[-1] == {"a": NEW}
    assert outcomes[-1].rejected == frozenset()


def test_a_resource_that_comes_back_bad_is_replaced_by_its_accepted_version() -> None:
    proxy = holding("a", "b")
    proxy.publish({CLUSTER: {"a": Item(OLD)}})
    proxy.touch(b=NEW)
    proxy.judge({"b": NEW})
    proxy.touch(a=NEW)
    proxy.judge({"b": NEW})

    assert proxy.sent[-1] == {"a": NEW, "b": OLD}


def test_a_resource_that_vanishes_during_a_search_is_removed_in_its_turn() -> None:
    proxy = holding("a", "b", "c")
    proxy.touch(a=NEW, b=NEW)
    proxy.nack(proxy.next())
    proxy.publish({CLUSTER: {"a": Item(NEW), "b": Item(NEW)}})
    proxy.judge({})

    assert proxy.sent == [{"a": NEW, "b": OLD, "c": OLD}, {"a": NEW, "b": OLD}, {"a": NEW, "b": NEW}]


def test_a_version_that_changed_on_its_way_is_the_accepted_one_of_the_next() -> None:
    proxy = holding("a", "b")
    proxy.touch(a=NEW)
    response = proxy.next()
    proxy.touch(a=NEWEST, b=NEW)
    proxy.ack(response)
    proxy.judge({"a": NEWEST})

    assert proxy.sent[-1] == {"a": NEW, "b": NEW}


def test_a_version_that_was_rejected_on_its_way_is_not_the_accepted_one_of_the_next() -> None:
    proxy = holding("a", "b")
    proxy.touch(a=NEW)
    response = proxy.next()
    proxy.touch(a=NEWEST, b=NEW)
    proxy.nack(response)
    proxy.judge({"a": NEWEST})

    assert proxy.sent[-1] == {"a": OLD, "b": NEW}


def test_after_envoy_has_named_the_culprit_the_rest_is_sent_once_and_never_taken_back() -> None:
    proxy = holding("a", "b", "c")
    proxy.touch(a=NEW, b=NEW, c=NEW)
    outcomes = proxy.judge({"b": NEW}, "Error adding/updating cluster(s) b: bad")

    assert proxy.sent == [{"a": NEW, "b": NEW, "c": NEW}, {"a": NEW, "b": OLD, "c": NEW}]
    assert outcomes[0].names == ("b",)
    assert outcomes[1].rejected == {"b"}


def test_resources_applied_from_a_rejected_response_stay_while_others_are_tried() -> None:
    proxy = holding("a", "b", "c")
    proxy.touch(a=NEW, b=NEW, c=NEW)
    response = proxy.next()
    proxy.touch(c=NEWEST)
    proxy.nack(response, "Error adding/updating cluster(s) b: bad")
    proxy.judge({})
    proxy.touch(a=NEWEST, c=NEW)
    proxy.judge({})

    assert proxy.sent[0] == {"a": NEW, "b": OLD, "c": NEW}


def test_a_version_covers_exactly_what_the_proxy_holds() -> None:
    proxy = holding("a", "b", "c")
    proxy.touch(a=NEW, b=NEW, z=NEW)
    outcomes = proxy.judge({"b": NEW, "z": NEW}, "Error adding/updating cluster(s) b: bad, z: bad")
    resources = [resource(CLUSTER, name, Item(salt)) for name, salt in (("a", NEW), ("b", OLD), ("c", OLD))]

    assert outcomes[-1].version == content_version((item.name, item.version) for item in resources)


def test_rejected_resources_are_sent_again_after_a_reconnect() -> None:
    proxy = holding("a", "b")
    proxy.touch(a=NEW, b=NEW)
    version = proxy.judge({"b": NEW}, "Error adding/updating cluster(s) b: bad")[-1].version
    back = Proxy(proxy.world, version=version)

    assert back.salts(back.next()) == {"a": NEW, "b": NEW}


def test_nothing_is_left_out_for_a_proxy_that_came_back_with_versions_we_do_not_know() -> None:
    back = Proxy({CLUSTER: {"a": Item(NEW), "b": Item(NEW), "c": Item(NEW)}}, version="of another day")
    [outcome] = back.judge({"b": NEW})
    assert outcome.names == ("a", "b", "c")
    back.touch(d=NEW)
    [outcome] = back.judge({"b": NEW}, "Error adding/updating cluster(s) b: bad")
    assert outcome.names == ("b",)
    back.touch(b=NEWEST)
    back.judge({"b": NEW})

    assert back.sent == [
        {"a": NEW, "b": NEW, "c": NEW},
        {"a": NEW, "b": NEW, "c": NEW, "d": NEW},
        {"a": NEW, "b": NEWEST, "c": NEW, "d": NEW},
    ]


def test_the_last_good_state_of_a_reconnected_proxy_is_known_once_it_accepts_a_response() -> None:
    back = Proxy({CLUSTER: {"a": Item(NEW), "b": Item(NEW)}}, version="of another day")
    back.judge({})
    back.touch(a=NEWEST, b=NEWEST)
    back.judge({"b": NEWEST})

    assert {"a": NEWEST, "b": NEW} in back.sent


def test_the_last_good_state_of_a_proxy_that_reconnects_with_our_version_is_known() -> None:
    world = {CLUSTER: {"a": Item(OLD), "b": Item(OLD)}}
    version = content_version((item.name, item.version) for item in all_of(world))
    back = Proxy(world, version=version)
    back.touch(a=NEW, b=NEW)
    back.judge({"b": NEW})

    assert {"a": NEW, "b": OLD} in back.sent


def all_of(world: World) -> list[Resource]:
    return list(first_set(world).of_type(CLUSTER).values())
