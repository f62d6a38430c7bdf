"""What the engine caches, what it runs again, what it evicts, and what it does with errors."""

import pytest

from mirrorplane.api.kinds import kube
from mirrorplane.api.mesh import Lowered
from mirrorplane.api.meta import Object, Ref
from mirrorplane.api.snapshot import Snapshot
from mirrorplane.controlplane.engine.engine import CycleError, Engine
from mirrorplane.translators.contract import Input

POD = Ref("Pod", "d", "p")
OTHER = Ref("Pod", "d", "q")


def world(version: int, *changed: tuple[str, object], **labels: str) -> Snapshot:
    objects = {Ref("Pod", "d", n): Object(Ref("Pod", "d", n), kube.Pod(), {"l": v}) for n, v in labels.items()}
    return Snapshot(version, objects, {}, frozenset(changed))


def label(view, ref):
    RAN.append(("label", ref.name))
    obj = view.get(ref)
    return obj.labels["l"] if obj else ""


def shout(view, ref):
    RAN.append(("shout", ref.name))
    return view.memo(label, ref).upper()


RAN: list[tuple[str, str]] = []


@pytest.fixture(autouse=True)
def _clear():
    RAN.clear()


def test_a_call_runs_once_and_is_cached():
    view = Engine([]).advance(world(1, p="x"))
    assert [view.memo(shout, POD), view.memo(shout, POD)] == ["X", "X"]
    assert RAN == [("shout", "p"), ("label", "p")]


def test_a_change_runs_only_what_reads_it():
    engine = Engine([])
    view = engine.advance(world(1, p="x", q="y"))
    assert (view.memo(shout, POD), view.memo(shout, OTHER)) == ("X", "Y")
    RAN.clear()
    view = engine.advance(world(2, ("get", POD), p="z", q="y"))
    assert (view.memo(shout, POD), view.memo(shout, OTHER)) == ("Z", "Y")
    assert {name for _, name in RAN} == {"p"}


def test_an_equal_answer_stops_the_change():
    engine = Engine([])
    assert engine.advance(world(1, p="x")).memo(shout, POD) == "X"
    RAN.clear()
    engine.advance(Snapshot(2, {POD: Object(POD, kube.Pod(), {"l": "x", "more": "1"})}, {}, frozenset([("get", POD)])))
    assert engine.view.memo(shout, POD) == "X"
    assert RAN == [("label", "p")], "shout need not run: label answered the same"


def test_only_held_calls_behind_a_change_are_touched_until_it_is_settled():
    engine = Engine([])
    engine.hold([(shout, POD), (shout, OTHER)])
    view = engine.advance(world(1, p="x", q="y"))
    view.memo(shout, POD)
    view.memo(shout, OTHER)
    engine.advance(world(2, ("get", POD), p="z", q="y"))
    assert engine.touched == {(shout, POD)}
    engine.advance(world(3, p="z", q="y"))
    assert engine.touched == {(shout, POD)}, "it was never settled"
    engine.settle(engine.touched)
    assert engine.touched == frozenset()


def test_a_call_that_is_not_held_is_evicted():
    engine = Engine([])
    engine.hold([(shout, OTHER)])
    view = engine.advance(world(1, p="x", q="y"))
    view.memo(shout, POD)
    view.memo(shout, OTHER)
    engine.collect()
    assert engine.size == 2
    assert engine.provenance((shout, OTHER)) == {OTHER}


def test_a_call_held_twice_stays_until_both_release_it():
    engine = Engine([])
    for _ in range(2):
        engine.hold([(shout, POD)])
    engine.advance(world(1, p="x")).memo(shout, POD)
    for size in (2, 0):
        engine.release([(shout, POD)])
        engine.collect()
        assert engine.size == size


def test_nothing_is_evicted_while_a_call_runs_that_may_have_read_it():
    engine = Engine([])

    def careless(view):
        view.memo(shout, POD)
        engine.collect()
        return engine.size

    engine.hold([(careless,), (shout, POD)])
    view = engine.advance(world(1, p="x"))
    view.memo(shout, POD)
    engine.release([(shout, POD)])
    assert view.memo(careless) == 2


def test_a_read_that_is_no_longer_made_is_evicted_with_its_answer():
    engine = Engine([])

    def either(view):
        return view.memo(label, POD if view.memo(label, OTHER) == "p" else OTHER)

    engine.hold([(either,)])
    engine.advance(world(1, p="x", q="p")).memo(either)
    assert engine.size == 3
    engine.advance(world(2, ("get", OTHER), p="x", q="-")).memo(either)
    engine.collect()
    assert engine.size == 2


def test_a_cycle_is_an_error_that_names_the_path():
    def ping(view):
        return view.memo(pong)

    def pong(view):
        return view.memo(ping)

    with pytest.raises(CycleError, match="ping -> pong -> ping"):
        Engine([]).advance(world(1)).memo(ping)


def test_a_circle_of_old_answers_is_not_a_cycle():
    engine = Engine([])

    def first(view):
        return view.memo(second) if view.get(POD).labels["l"] == "down" else "first"

    def second(view):
        return "second" if view.get(POD).labels["l"] == "down" else view.memo(first)

    assert engine.advance(world(1, p="down")).memo(first) == "second"
    view = engine.advance(world(2, ("get", POD), p="up"))
    assert (view.memo(second), view.memo(first)) == ("first", "first")
    view = engine.advance(world(3, ("get", POD), p="down"))
    assert (view.memo(first), view.memo(second)) == ("second", "second")


def test_keyword_arguments_are_rejected_because_they_would_not_be_part_of_the_key():
    with pytest.raises(TypeError, match="by position"):
        Engine([]).advance(world(1)).memo(label, ref=POD)


def test_an_exception_in_lowering_keeps_the_previous_translation_and_is_reported(caplog):
    def lower(_, obj):
        if obj.labels["l"] == "bad":
            raise ZeroDivisionError("oops")
        return Lowered(services=(obj.labels["l"],))

    engine = Engine([Input(kinds=(kube.POD,), lower=lower)])
    assert engine.advance(world(1, p="good")).lowered(POD).services == ("good",)
    lowered = engine.advance(world(2, ("get", POD), p="bad")).lowered(POD)
    assert lowered.services == ("good",)
    assert lowered.findings[0].reason == "InternalError"
    assert engine.failures == 1
    assert "its previous translation stays" in caplog.text
    assert engine.advance(world(3, ("get", POD), p="fine")).lowered(POD) == Lowered(services=("fine",))
