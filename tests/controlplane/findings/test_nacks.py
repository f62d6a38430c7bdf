"""What proxies reject, kept by proxy and told by case: against an oracle that keeps every single claim."""

from collections import defaultdict

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from mirrorplane.controlplane.findings.nacks import FEW, NackStore, Rejected

PROXIES, TYPES, TEXTS = (
    st.sampled_from("abc"),
    st.sampled_from(("x.Cluster", "x.Listener")),
    st.sampled_from(("t", "u")),
)
MANY = tuple(f"n{number:02}" for number in range(FEW + 5))
NAMES = st.sets(st.sampled_from(MANY[:3]), min_size=1)


class Oracle:
    """Claims (proxy, type, name) with their text: those about one resource, and those about one of many."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, str, str], str] = {}
        self.unsure: dict[tuple[str, str], tuple[set[str], str]] = {}

    def sentences(self) -> set[tuple[str, str, str]]:
        """What is to be read: (kind, name, who and text)."""
        claims = dict(self.known)
        told = defaultdict(list)
        for (proxy, kind), (names, text) in self.unsure.items():
            if len(names) > FEW:
                among = f"{len(names)} resources, among them {', '.join(sorted(names)[:3])}"
                told[kind, "", f" rejected one or more of {among}", text].append(proxy)
            else:
                claims = {(proxy, kind, name): text for name in names} | claims
        for (proxy, kind, name), text in claims.items():
            told[kind, name, " rejected this", text].append(proxy)
        return {(kind[2:], name, who(proxies) + what, text) for (kind, name, what, text), proxies in told.items()}


def who(proxies: list[str]) -> str:
    return proxies[0] if len(proxies) == 1 else f"{len(proxies)} proxies, for example {min(proxies)},"


class Claims(RuleBasedStateMachine):
    """Proxies reject, accept and leave in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.rejections, self.oracle = NackStore(), Oracle()

    @rule(proxy=PROXIES, kind=TYPES, names=NAMES, text=TEXTS)
    def reject(self, proxy: str, kind: str, names: set[str], text: str) -> None:
        self.rejections.add(proxy, kind, {name: Rejected(text) for name in names})
        self.oracle.known.update({(proxy, kind, name): text for name in names})
        if (proxy, kind) in self.oracle.unsure:
            self.oracle.unsure[proxy, kind][0].difference_update(names)

    @rule(proxy=PROXIES, kind=TYPES, text=TEXTS, size=st.integers(FEW + 1, len(MANY)))
    def reject_many(self, proxy: str, kind: str, text: str, size: int) -> None:
        self.rejections.suspect(proxy, kind, MANY[:size], text)
        before = self.oracle.unsure.get((proxy, kind), (set(), ""))[0]
        self.oracle.unsure[proxy, kind] = before | set(MANY[:size]), text

    @rule(proxy=PROXIES, kind=TYPES, still=st.integers(0, len(MANY)))
    def accept_all_but(self, proxy: str, kind: str, still: int) -> None:
        before = self.oracle.sentences()
        less = self.rejections.keep(proxy, kind, frozenset(MANY[:still]))
        for key in [key for key in self.oracle.known if key[:2] == (proxy, kind) and key[2] not in MANY[:still]]:
            del self.oracle.known[key]
        if (proxy, kind) in self.oracle.unsure:
            self.oracle.unsure[proxy, kind][0].intersection_update(MANY[:still])
        assert less or self.oracle.sentences() == before

    @rule(proxy=PROXIES)
    def leave(self, proxy: str) -> None:
        before = self.oracle.sentences()
        self.oracle.known = {key: text for key, text in self.oracle.known.items() if key[0] != proxy}
        self.oracle.unsure = {key: said for key, said in self.oracle.unsure.items() if key[0] != proxy}
        assert self.rejections.forget(proxy) or self.oracle.sentences() == before

    @invariant()
    def everything_is_told_once(self) -> None:
        told = [(f.about.kind, f.about.name, *f.message.split(": ")) for f in self.rejections.findings()]
        begun = [(kind, name, said.split(", and go")[0], text) for kind, name, said, text in told]
        assert len(begun) == len(set(begun))
        assert set(begun) == self.oracle.sentences()


TestClaims = Claims.TestCase
TestClaims.settings = settings(max_examples=150, stateful_step_count=30)
