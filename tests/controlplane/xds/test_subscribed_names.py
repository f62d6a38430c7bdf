"""The names of a subscription are a set like any other, and most of it is shared."""

import gc

from hypothesis import given
from hypothesis import strategies as st

from mirrorplane.controlplane.xds import subscribed_names
from mirrorplane.controlplane.xds.subscribed_names import SubscribedNames

NAMES = st.sets(st.integers(0, 60).map(str), max_size=40)


@given(NAMES, st.lists(st.tuples(st.booleans(), NAMES)))
def test_it_is_a_set(start: set[str], edits: list[tuple[bool, set[str]]]):
    names, model = SubscribedNames(start), set(start)
    for add, edit in edits:
        (names.add if add else names.remove)(edit)
        (model.update if add else model.difference_update)(edit)
        assert (set(names), len(names), len(list(names))) == (model, len(model), len(model))
        assert all((str(number) in names) == (str(number) in model) for number in range(61))
        assert names == SubscribedNames(model)
        assert names != SubscribedNames(model | {"another"})
        assert names != SubscribedNames(model, wildcard=True)


def test_a_wildcard_covers_every_name_and_holds_none():
    names = SubscribedNames(["a"], wildcard=True)
    assert names.covers("b")
    assert "b" not in names
    assert not SubscribedNames(["a"]).covers("b")


def test_equal_names_are_one_object_until_the_last_subscription_ends():
    many = [f"shared {number}" for number in range(1000)]
    subset, superset = SubscribedNames(many), SubscribedNames(reversed(many))
    assert subset._base is superset._base
    subset.add(["and another"])
    assert subset._base is superset._base, "one name more is a difference to the shared set"
    superset.remove(many[:500])
    assert subset._base is not superset._base, "names that have little in common share nothing"
    assert (len(subset), len(superset)) == (1001, 500)
    key = hash(subset._base)
    assert key in subscribed_names._interned
    del subset, superset
    gc.collect()
    assert key not in subscribed_names._interned


def test_sets_with_equal_hashes_are_distinguished(monkeypatch):
    names = SubscribedNames(["a"])
    monkeypatch.setitem(subscribed_names._interned, hash(frozenset(["b"])), names._base)
    assert set(SubscribedNames(["b"])) == {"b"}
