"""What proxies reject, kept by proxy and reported by case: against an oracle that keeps every single claim."""

from collections import defaultdict

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from mirrorplane.controlplane.findings.nacks import MOST_NAMED, NackStore, Rejection
from tests.profiles import examples

PROXIES, TYPES, TEXTS = (
    st.sampled_from("abc"),
    st.sampled_from(("x.Cluster", "x.Listener")),
    st.sampled_from(("t", "u")),
)
MANY = tuple(f"n{number:02}" for number in range(MOST_NAMED + 5))
NAMES = st.sets(st.sampled_from(MANY[:3]), min_size=1)


class Oracle:
    """Claims (proxy, type, name) with their text: those about one resource, and those about one of many."""

    def __init__(self) -> None:
        self.named: dict[tuple[str, str, str], str] = {}
        self.groups: dict[tuple[str, str], tuple[set[str], str]] = {}

    def sentences(self) -> set[tuple[str, str, str]]:
        """The findings to expect: (kind, name, start of the message, Envoy's text)."""
        claims = dict(self.named)
        cases = defaultdict(list)
        for (proxy, kind), (names, text) in self.groups.items():
            if len(names) > MOST_NAMED:
                group = f"one or more of {len(names)} resources ({', '.join(sorted(names)[:3])}, ...) "
                cases[kind, "", group, text].append(proxy)
            else:
                claims = {(proxy, kind, name): text for name in names} | claims
        for (proxy, kind, name), text in claims.items():
            cases[kind, name, "", text].append(proxy)
        return {(kind[2:], name, group + by(proxies), text) for (kind, name, group, text), proxies in cases.items()}


def by(proxies: list[str]) -> str:
    names = proxies[0] if len(proxies) == 1 else f"{len(proxies)} proxies, for example {min(proxies)}"
    return f"rejected by {names}"


class Claims(RuleBasedStateMachine):
    """Proxies reject, accept and leave in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.nacks, self.oracle = NackStore(), Oracle()

    @rule(proxy=PROXIES, kind=TYPES, names=NAMES, text=TEXTS)
    def reject(self, proxy: str, kind: str, names: set[str], text: str) -> None:
        self.nacks.add(proxy, kind, {name: Rejection(text) for name in names})
        self.oracle.named.update({(proxy, kind, name): text for name in names})
        if (proxy, kind) in self.oracle.groups:
            self.oracle.groups[proxy, kind][0].difference_update(names)

    @rule(proxy=PROXIES, kind=TYPES, text=TEXTS, size=st.integers(MOST_NAMED + 1, len(MANY)))
    def reject_many(self, proxy: str, kind: str, text: str, size: int) -> None:
        self.nacks.suspect(proxy, kind, MANY[:size], text)
        before = self.oracle.groups.get((proxy, kind), (set(), ""))[0]
        self.oracle.groups[proxy, kind] = before | set(MANY[:size]), text

    @rule(proxy=PROXIES, kind=TYPES, still=st.integers(0, len(MANY)))
    def accept_all_but(self, proxy: str, kind: str, still: int) -> None:
        before = self.oracle.sentences()
        resolved = self.nacks.keep(proxy, kind, frozenset(MANY[:still]))
        for key in [key for key in self.oracle.named if key[:2] == (proxy, kind) and key[2] not in MANY[:still]]:
            del self.oracle.named[key]
        if (proxy, kind) in self.oracle.groups:
            self.oracle.groups[proxy, kind][0].intersection_update(MANY[:still])
        assert resolved or self.oracle.sentences() == before

    @rule(proxy=PROXIES)
    def leave(self, proxy: str) -> None:
        before = self.oracle.sentences()
        self.oracle.named = {key: text for key, text in self.oracle.named.items() if key[0] != proxy}
        self.oracle.groups = {key: group for key, group in self.oracle.groups.items() if key[0] != proxy}
        assert self.nacks.forget(proxy) or self.oracle.sentences() == before

    @invariant()
    def everything_is_reported_once(self) -> None:
        messages = [(f.about.kind, f.about.name, *f.message.split(": ")) for f in self.nacks.findings()]
        sentences = [(kind, name, start.split(";")[0], text) for kind, name, start, text in messages]
        assert len(sentences) == len(set(sentences))
        assert set(sentences) == self.oracle.sentences()


TestClaims = Claims.TestCase
TestClaims.settings = settings(max_examples=examples(1.5), stateful_step_count=30)
