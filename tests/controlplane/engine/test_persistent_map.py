"""What was frozen never changes, whatever is written later."""

from hypothesis import given
from hypothesis import strategies as st

from mirrorplane.controlplane.engine.persistent_map import PersistentMap

steps = st.lists(st.one_of(st.tuples(st.integers(0, 600), st.integers()), st.integers(0, 600), st.none()))


@given(steps)
def test_every_frozen_moment_stays_what_the_mapping_was_then(steps):
    written: PersistentMap[int, int] = PersistentMap()
    model: dict[int, int] = {}
    moments = []
    for step in steps:
        if step is None:
            moments.append((written.freeze(), dict(model)))
        elif isinstance(step, tuple):
            written.put(*step)
            model[step[0]] = step[1]
        else:
            written.drop(step)
            model.pop(step, None)
    for frozen, then in [*moments, (written.freeze(), model)]:
        assert dict(frozen) == then
        assert len(frozen) == len(then)
        assert all(frozen.get(key) == then.get(key) and (key in frozen) == (key in then) for key in range(0, 600, 7))
    assert all(written.get(key) == model.get(key) for key in model)
