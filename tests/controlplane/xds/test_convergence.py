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

from mirrorplane.api.resource import CLUSTER, ENDPOINT, LISTENER, ROUTE
from mirrorplane.controlplane.xds.push_order import PushLimits
from tests.controlplane.xds.model_envoy import ORDER
from tests.controlplane.xds.queued_wire import Wire
from tests.controlplane.xds.resource_worlds import UNDECODABLE, UNUSABLE, Item, World, having

salts = st.integers(0, 2)
BAD = [UNDECODABLE, UNUSABLE]


def items(names: list[str], uses: st.SearchStrategy) -> st.SearchStrategy:
    return st.dictionaries(st.sampled_from(names), st.builds(Item, salts, uses))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A world in which routes name only clusters that exist; endpoints and routes may be missing."""
    one_of = lambda *names: st.lists(st.sampled_from(names), max_size=1).map(tuple)  # noqa: E731
    clusters = draw(items(["c1", "c2", "c3", "c4", "c5"], one_of("e1", "e2", "e3", "e4")))
    some = st.sets(st.sampled_from(sorted(clusters)), max_size=2) if clusters else st.just(set())
    return {
        CLUSTER: clusters,
        ENDPOINT: draw(items(["e1", "e2", "e3", "e4"], st.just(()))),
        LISTENER: draw(items(["l1", "l2", "l3"], one_of("r1", "r2", "r3"))),
        ROUTE: draw(items(["r1", "r2", "r3"], some.map(lambda names: tuple(sorted(names))))),
    }


class Convergence(RuleBasedStateMachine):
    delta = False

    @initialize(world=worlds(), grace=st.sampled_from([0.0, 2.0]), most=st.sampled_from([1, 2, 1000]))
    def start(self, world: World, grace: float, most: int) -> None:
        self.wire = Wire(world, delta=self.delta, pace=PushLimits(grace=grace, max_resources=most))

    @rule(world=worlds(), skipped=st.integers(0, 1))
    def publish(self, world: World, skipped: int) -> None:
        self.wire.publish(world, skipped=skipped)

    @rule(type_url=st.sampled_from(ORDER), name=st.integers(0, 5), salt=salts | st.sampled_from(BAD))
    def touch(self, type_url: str, name: int, salt: int) -> None:
        world = self.wire.world
        names = sorted(world[type_url])
        if names:
            target = names[name % len(names)]
            item = world[type_url][target]
            self.wire.publish(having(world, type_url, **{target: Item(salt, item.uses)}))

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

    @rule(type_url=st.sampled_from(ORDER), salt=salts, bad=st.sampled_from(BAD), which=st.sets(st.integers(0, 5)))
    def touch_all(self, type_url: str, salt: int, bad: int, which: set[int]) -> None:
        """All resources of a type change at once, and some are bad."""
        items = enumerate(sorted(self.wire.world[type_url].items()))
        touched = {name: Item(bad if number in which else salt, item.uses) for number, (name, item) in items}
        self.wire.publish(having(self.wire.world, type_url, **touched))

    @rule(type_url=st.sampled_from(ORDER), applied=st.booleans())
    def reject_next(self, type_url: str, applied: bool) -> None:
        self.wire.proxy.reject[type_url] = applied

    @precondition(lambda self: not self.wire.proxy.outbox)
    @rule(seconds=st.sampled_from([1.0, 6.0]))
    def wait(self, seconds: float) -> None:
        self.wire.now += seconds

    @rule(keep=st.booleans())
    def reconnect(self, keep: bool) -> None:
        self.wire.connect(keep=keep)

    @rule(backwards=st.booleans())
    def apply_in_another_order(self, backwards: bool) -> None:
        self.wire.proxy.backwards = backwards

    @rule()
    def come_to_rest(self) -> None:
        """All that is not bad arrives, and nothing else is rejected."""
        self.wire.proxy.reject.clear()
        self._run()
        assert self.wire.proxy.whims or not any(map(self._innocent, ORDER)), "the search left something innocent behind"
        self._mend()
        self.wire.assert_only_the_bad_is_missing()

    @rule()
    def settle(self) -> None:
        """Once the bad is good, no trace of it is left."""
        self.come_to_rest()
        for type_url in ORDER:
            cured = {name: again(item) for name, item in self.wire.world[type_url].items() if item.bad}
            self.wire.publish(having(self.wire.world, type_url, **cured))
        self._run()
        self._mend()
        self.wire.assert_converged()
        self.wire.forgive()

    @rule()
    def reconnect_after_rest(self) -> None:
        """Nothing that has not changed is sent again, however often a proxy comes back."""
        self.settle()
        self.wire.proxy.received.clear()
        self.wire.connect(keep=True)
        self._run()
        assert self.wire.proxy.received == []
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
        """Change what was rejected on a whim: of each type one at a time, for it may stand for several."""
        while whims := [(t, sorted(self._innocent(t))[0]) for t in ORDER if self._innocent(t)]:
            world = self.wire.world
            for type_url, name in whims:
                world = having(world, type_url, **{name: again(world[type_url][name])})
            self.wire.publish(world)
            self._run()

    def _innocent(self, type_url: str) -> set[str]:
        """What is blamed and not bad; beside something bad that cannot be told apart, innocence does not help."""
        bad = self.wire.bad(type_url)
        if bad and self.wire.blind(type_url):
            return set()
        return (self.wire.blamed[type_url] - bad) & self.wire.subscribed(type_url)


def again(item: Item) -> Item:
    """The same in good, and new."""
    return Item(item.salt + 10, item.uses)


class DeltaConvergence(Convergence):
    delta = True


@pytest.mark.hypothesis
@pytest.mark.parametrize("machine", [Convergence, DeltaConvergence], ids=["sotw", "delta"])
def test_a_proxy_always_ends_up_holding_what_a_fresh_proxy_would_get(machine: type[Convergence]) -> None:
    run_state_machine_as_test(machine, settings=settings(stateful_step_count=40))
