"""Names that a proxy unsubscribes from are neither blamed nor held against what was sent with them."""

from mirrorplane.api.resource import CLUSTER, ENDPOINT
from mirrorplane.controlplane.xds.requests import Ack, DeltaRequest, Nack, SotwRequest
from tests.controlplane.xds.resource_worlds import SMALL, Item, having
from tests.controlplane.xds.sotw_client import subscribed_client as sotw_client
from tests.controlplane.xds.test_nack_bisect import BY_NAME, Judge, changed, many


def test_blame_is_retracted_when_the_proxy_unsubscribes() -> None:
    proxy = changed(4, 1, 3)
    proxy.judge_all()
    [accepted] = [status.acked for status in proxy.session.status()]
    outcome = proxy.request(ENDPOINT, leave=("e01",))
    assert outcome == Ack(ENDPOINT, accepted, frozenset({"e03"}))
    assert [status.nack for status in proxy.session.status()] == ["bad: ['e03']"]
    outcome = proxy.request(ENDPOINT, leave=("e03",))

    assert outcome == Ack(ENDPOINT, accepted, frozenset())
    assert [status.nack for status in proxy.session.status()] == [None]


def test_blame_is_retracted_for_a_sotw_proxy_too() -> None:
    client = sotw_client()
    client.publish(having(SMALL, ENDPOINT, e1=Item(salt=1)))
    rejected = client.next()
    assert client.nack(rejected) == Nack(ENDPOINT, ("e1",), rejected.version_info, "bad")
    outcome = client.session.receive(SotwRequest(ENDPOINT, ("e2",), rejected.version_info, rejected.nonce))

    assert isinstance(outcome, Ack)
    assert outcome.rejected == frozenset()


def test_unsubscribing_names_that_were_not_blamed_retracts_nothing() -> None:
    proxy = changed(4, 1)
    proxy.judge_all()

    assert proxy.request(ENDPOINT, leave=("e00",)) is None


def test_a_retraction_is_reported_once() -> None:
    proxy = changed(4, 1)
    proxy.judge_all()
    assert isinstance(proxy.request(ENDPOINT, leave=("e01",)), Ack)

    assert proxy.request(ENDPOINT, leave=("e00",)) is None


def test_leaving_one_suspect_in_the_middle_of_a_search_takes_back_that_one_only() -> None:
    proxy = changed(4, 1)
    proxy.judge(proxy.next())
    proxy.next()
    outcome = proxy.request(ENDPOINT, leave=("e03",))

    assert isinstance(outcome, Ack)
    assert outcome.rejected == {"e00", "e01", "e02"}, "two of them are being tried"


def test_the_last_of_several_that_were_sent_is_no_culprit_when_the_others_were_left_on_the_way() -> None:
    proxy = changed(4, 1)
    sent = proxy.next()
    proxy.session.receive(DeltaRequest(ENDPOINT, unsubscribe=("e01", "e02", "e03")))
    proxy.judge(sent)

    assert proxy.judge_all() == [["e00"]]
    assert "e00" not in proxy.blamed


def test_blame_for_a_name_rejected_and_unsubscribed_at_once_is_retracted_by_the_next_answer() -> None:
    proxy = many(3)
    proxy.bad = {"e01"}
    proxy.touch("e01", salt=1)
    proxy.next()
    text = {"nonce": proxy.nonce[ENDPOINT], "error": "bad"}
    assert isinstance(proxy.session.receive(DeltaRequest(ENDPOINT, unsubscribe=("e01",), **text)), Nack)
    outcome = proxy.request(ENDPOINT, leave=("e00",))

    assert isinstance(outcome, Ack)
    assert outcome.rejected == frozenset()


def test_a_truncated_list_blames_no_resource_for_half_a_name() -> None:
    proxy = Judge({CLUSTER: {"c1": Item(), "c10": Item(), "c2": Item()}})
    proxy.request(CLUSTER)
    proxy.next()
    outcome = proxy.ack(CLUSTER, error=BY_NAME + "c2: bad, c1")

    assert isinstance(outcome, Nack)
    assert outcome.names == ("c2",)
