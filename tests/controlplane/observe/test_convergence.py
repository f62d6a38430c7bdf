"""Convergence: when a change has arrived everywhere, against an oracle that remembers all that ever happened."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mirrorplane.controlplane.observe.convergence import ConvergenceTracker
from tests.profiles import examples

STREAMS = st.sampled_from("abc")
LIMIT = 3


class Past:
    """Everything that ever happened, in order. A round waits for a stream that has not settled since the offer."""

    def __init__(self) -> None:
        self.events: list[tuple] = []
        self.groups: list[list[int]] = []

    def waits(self, number: int) -> bool:
        offers = {who: at for at, (what, who, of) in enumerate(self.events) if (what, of) == ("offered", number)}
        return any(("settled", who, 0) not in self.events[at:] for who, at in offers.items())

    def over(self) -> list[list[int]]:
        done = [group for group in self.groups if not any(map(self.waits, group))]
        self.groups = [group for group in self.groups if group not in done]
        return done

    def concerned(self, number: int) -> bool:
        return any((what, of) == ("offered", number) for what, _, of in self.events)


class Convergence(RuleBasedStateMachine):
    """Rounds begin, are offered, are out; streams settle; at every step both name the same rounds as over."""

    def __init__(self) -> None:
        super().__init__()
        self.rounds, self.past = ConvergenceTracker(LIMIT), Past()
        self.now = 0
        self.began: dict[int, int] = {}
        self.under_way = 0

    @rule(seconds=st.integers(1, 9))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds

    @precondition(lambda self: not self.under_way)
    @rule()
    def begin(self) -> None:
        self.under_way = len(self.began) + 1
        self.began[self.under_way] = self.now
        self.rounds.begin(self.now)

    @rule(stream=STREAMS)
    def offer(self, stream: str) -> None:
        self.rounds.add_stream(stream)
        if self.under_way:
            self.past.events.append(("offered", stream, self.under_way))

    @precondition(lambda self: self.under_way)
    @rule()
    def out(self) -> None:
        if self.past.concerned(self.under_way):
            self.past.groups.append([self.under_way])
        self.under_way = 0
        assert self.rounds.all_offered(self.now) == self.took()
        if len(self.past.groups) > LIMIT:
            oldest, second, *rest = self.past.groups
            self.past.groups = [oldest + second, *rest]

    @rule(stream=STREAMS)
    def settle(self, stream: str) -> None:
        self.past.events.append(("settled", stream, 0))
        assert self.rounds.stream_done(stream, self.now) == self.took()

    @invariant()
    def no_more_are_open_than_may_be(self) -> None:
        assert self.rounds.open == len(self.past.groups) <= LIMIT

    def took(self) -> tuple[int, ...]:
        return tuple(self.now - min(self.began[number] for number in group) for group in self.past.over())


TestConvergence = Convergence.TestCase
TestConvergence.settings = settings(max_examples=examples(2), stateful_step_count=40)


def test_a_round_is_over_when_the_last_stream_it_concerns_has_settled():
    rounds = ConvergenceTracker()
    rounds.begin(10.0)
    rounds.add_stream("a")
    rounds.add_stream("b")
    assert rounds.all_offered(11.0) == ()
    assert rounds.stream_done("c", 12.0) == ()
    assert rounds.stream_done("a", 13.0) == ()
    assert rounds.stream_done("b", 14.5) == (4.5,)
    assert rounds.stream_done("b", 15.0) == ()


def test_a_round_that_concerns_nobody_is_not_measured():
    rounds = ConvergenceTracker()
    rounds.begin(1.0)
    assert rounds.all_offered(2.0) == ()
    assert rounds.stream_done("a", 3.0) == ()


def test_a_proxy_that_never_answers_does_not_fill_the_memory_nor_hide_what_others_took():
    rounds = ConvergenceTracker(limit=10)
    for number in range(1000):
        rounds.begin(number)
        rounds.add_stream("stuck")
        rounds.all_offered(number)
        rounds.begin(number)
        rounds.add_stream("quick")
        rounds.all_offered(number)
        assert rounds.stream_done("quick", number + 0.5) == (0.5,)
    assert rounds.open <= 10
    assert rounds.stream_done("stuck", 1000)[0] == 1000
