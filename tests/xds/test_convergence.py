"""Any sequence of sets, deliveries, NACKs, pauses and reconnects ends with a proxy that holds what it should."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from api.resource import CLUSTER, ENDPOINT, LISTENER, ROUTE
from controlplane.xds.session import Pace
from tests.xds.wire import Wire
from tests.xds.worlds import Item, World, having

salts = st.integers(0, 2)


def items(names: list[str], uses: st.SearchStrategy) -> st.SearchStrategy:
    return st.dictionaries(st.sampled_from(names), st.builds(Item, salts, uses))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A world in which routes name only clusters that exist; endpoints and routes may be missing."""
    one_of = lambda *names: st.lists(st.sampled_from(names), max_size=1).map(tuple)  # noqa: E731
    clusters = draw(items(["c1", "c2", "c3"], one_of("e1", "e2")))
    some = st.sets(st.sampled_from(sorted(clusters)), max_size=2) if clusters else st.just(set())
    return {
        CLUSTER: clusters,
        ENDPOINT: draw(items(["e1", "e2"], st.just(()))),
        LISTENER: draw(items(["l1", "l2"], one_of("r1", "r2"))),
        ROUTE: draw(items(["r1", "r2"], some.map(lambda names: tuple(sorted(names))))),
    }


class Convergence(RuleBasedStateMachine):
    delta = False

    @initialize(world=worlds(), grace=st.sampled_from([0.0, 2.0]))
    def start(self, world: World, grace: float) -> None:
        self.wire = Wire(world, delta=self.delta, pace=Pace(grace=grace))

    @rule(world=worlds(), skipped=st.integers(0, 1))
    def publish(self, world: World, skipped: int) -> None:
        self.wire.publish(world, skipped=skipped)

    @rule(type_url=st.sampled_from([CLUSTER, ENDPOINT, LISTENER, ROUTE]), name=st.integers(1, 3), salt=salts)
    def touch(self, type_url: str, name: int, salt: int) -> None:
        world = self.wire.world
        names = sorted(world[type_url])
        if names:
            chosen = names[name % len(names)]
            item = world[type_url][chosen]
            self.wire.publish(having(world, type_url, **{chosen: Item(salt, item.uses)}))

    @rule(times=st.integers(1, 4))
    def pull(self, times: int) -> None:
        for _ in range(times):
            self.wire.pull()

    @rule(times=st.integers(1, 4))
    def deliver_responses(self, times: int) -> None:
        for _ in range(times):
            self.wire.deliver_response()

    @rule(times=st.integers(1, 4))
    def deliver_requests(self, times: int) -> None:
        for _ in range(times):
            self.wire.deliver_request()

    @rule(type_url=st.sampled_from([CLUSTER, ENDPOINT, LISTENER, ROUTE]), applied=st.booleans())
    def reject_next(self, type_url: str, applied: bool) -> None:
        self.wire.proxy.reject[type_url] = applied

    @precondition(lambda self: not self.wire.proxy.outbox)
    @rule(seconds=st.sampled_from([1.0, 6.0]))
    def wait(self, seconds: float) -> None:
        self.wire.now += seconds

    @rule(keep=st.booleans())
    def reconnect(self, keep: bool) -> None:
        self.wire.connect(keep=keep)

    @rule()
    def settle(self) -> None:
        self.wire.proxy.reject.clear()
        self._run()
        for _ in range(3):
            if self.wire.nacks:
                self._mend()
        self._run()
        self.wire.assert_converged()
        self.wire.forgive()

    @rule()
    def reconnect_after_rest(self) -> None:
        """Nothing that has not changed is sent again, however often a proxy comes back."""
        self.settle()
        self.wire.proxy.got.clear()
        self.wire.connect(keep=True)
        self._run()
        assert self.wire.proxy.got == []
        self.wire.assert_converged()
        self.wire.forgive()

    @invariant()
    def the_next_wake_lies_ahead(self) -> None:
        if hasattr(self, "wire"):
            moment = self.wire.session.wake_at(self.wire.now)
            assert moment is None or moment > self.wire.now

    def _run(self) -> None:
        self.wire.run()
        while (moment := self.wire.session.wake_at(self.wire.now)) is not None:
            self.wire.now = moment
            self.wire.run()

    def _mend(self) -> None:
        """Change one resource of each rejected response: that must bring back all of it."""
        world = self.wire.world
        for type_url, nack in self.wire.nacks.items():
            alive = [name for name in nack.names if name in world[type_url]] or sorted(world[type_url])[:1]
            for name in alive[:1]:
                item = world[type_url][name]
                world = having(world, type_url, **{name: Item(item.salt + 10, item.uses)})
        self.wire.nacks.clear()
        self.wire.publish(world)
        self._run()


class DeltaConvergence(Convergence):
    delta = True


@pytest.mark.parametrize("machine", [Convergence, DeltaConvergence], ids=["sotw", "delta"])
def test_a_proxy_always_ends_up_holding_what_a_fresh_proxy_would_get(machine: type[Convergence]) -> None:
    run_state_machine_as_test(machine, settings=settings(max_examples=100, stateful_step_count=40, deadline=None))
