"""The names of a subscription are a set like any other, and most of it is shared."""

import gc

from hypothesis import given
from hypothesis import strategies as st

from mirrorplane.controlplane.xds import names as module
from mirrorplane.controlplane.xds.names import Names

some = st.sets(st.integers(0, 60).map(str), max_size=40)


@given(some, st.lists(st.tuples(st.booleans(), some)))
def test_it_is_a_set(first: set[str], steps: list[tuple[bool, set[str]]]):
    names, model = Names(first), set(first)
    for add, step in steps:
        (names.add if add else names.remove)(step)
        (model.update if add else model.difference_update)(step)
        assert (set(names), len(names), len(list(names))) == (model, len(model), len(model))
        assert all((str(number) in names) == (str(number) in model) for number in range(61))
        assert names == Names(model)
        assert names != Names(model | {"another"})


def test_equal_names_are_one_object_until_the_last_goes():
    many = [f"shared {number}" for number in range(1000)]
    one, other = Names(many), Names(reversed(many))
    assert one._base is other._base
    one.add(["and another"])
    assert one._base is other._base, "one name more is remembered beside what is shared"
    other.remove(many[:500])
    assert one._base is not other._base, "names that have little in common share nothing"
    assert (len(one), len(other)) == (1001, 500)
    key = hash(one._base)
    assert key in module._shared
    del one, other
    gc.collect()
    assert key not in module._shared


def test_names_of_one_hash_are_told_apart(monkeypatch):
    held = Names(["a"])
    monkeypatch.setitem(module._shared, hash(frozenset(["b"])), held._base)
    assert set(Names(["b"])) == {"b"}
