"""What proxies reject, as findings on the resources and on the objects behind them.

Separate from the ledger because it has a rule of its own: a thousand proxies that reject the same for the same reason
say it once.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

import msgspec

from mirrorplane.api.finding import Finding
from mirrorplane.api.meta import Ref
from mirrorplane.api.resource import Resource

FEW = 20
"""A proxy that rejects more resources at once than this does not say which: that is one finding for all of them."""

MOST_OBJECTS = 50
"""How many objects get a finding because of one resource."""

_EXAMPLES = 3


class Rejected(msgspec.Struct, frozen=True):
    """A resource that a proxy rejected, in Envoy's words.

    `suspects` are the objects that may be the cause, sorted; `origins` is how many objects it was made from.
    """

    text: str
    suspects: tuple[Ref, ...] = ()
    origins: int = 0


class _Case(msgspec.Struct, frozen=True):
    """Equal rejections are one case. `among` is the remark on a rejection whose cause is not known."""

    kind: str
    name: str
    text: str
    among: str = ""


class _Complaint:
    """What one proxy says of one type: resources by name, and the many that it rejected together, if any."""

    __slots__ = ("known", "text", "unsure")

    def __init__(self) -> None:
        self.known: dict[str, Rejected] = {}
        self.unsure: Collection[str] = ()
        self.text = ""

    def cases(self, kind: str) -> Iterator[tuple[_Case, Rejected]]:
        """Yield what is to be said of the type, each with what it was made from."""
        for name, rejected in self.known.items():
            yield _Case(kind, name, rejected.text), rejected
        if len(self.unsure) > FEW:
            examples = ", ".join(sorted(self.unsure)[:_EXAMPLES])
            among = f"one or more of {len(self.unsure)} resources, among them {examples}"
            yield _Case(kind, "", self.text, among), Rejected(self.text)
            return
        for name in set(self.unsure).difference(self.known):
            yield _Case(kind, name, self.text), Rejected(self.text)


class NackStore:
    """What each proxy rejects now: by proxy, type and name of the resource ("" where no resource was named).

    `on_change` is called whenever the findings are other ones.
    """

    def __init__(self, on_change: Callable[[], None] = lambda: None) -> None:
        self._on_change = on_change
        self._by_proxy: defaultdict[str, dict[str, _Complaint]] = defaultdict(dict)

    def add(self, proxy: str, type_url: str, said: Mapping[str, Rejected]) -> None:
        """Add what a proxy says about resources of a type; it takes the place of what it said of them before."""
        complaint = self._complaint(proxy, type_url)
        complaint.known.update(said)
        complaint.unsure = tuple(name for name in complaint.unsure if name not in said)
        self._on_change()

    def explain(self, proxy: str, resource: Resource, claim: Rejected, explained: Rejected) -> bool:
        """Put something in the place of this very claim; returns whether it still stood."""
        complaint = self._by_proxy.get(proxy, {}).get(resource.type_url)
        if complaint is None or complaint.known.get(resource.name) is not claim:
            return False
        complaint.known[resource.name] = explained
        self._on_change()
        return True

    def suspect(self, proxy: str, type_url: str, names: Collection[str], text: str) -> None:
        """Add that a proxy rejects some of these resources. The names are kept, not copied: there may be thousands."""
        complaint = self._complaint(proxy, type_url)
        complaint.unsure = {*complaint.unsure, *names} if complaint.unsure else names
        complaint.text = text
        self._on_change()

    def keep(self, proxy: str, type_url: str, names: Collection[str]) -> bool:
        """Of what a proxy says about a type, keep what is about these resources; returns whether that is less."""
        complaint = self._by_proxy.get(proxy, {}).get(type_url)
        if complaint is None:
            return False
        before = len(complaint.known) + len(complaint.unsure)
        complaint.known = {name: one for name, one in complaint.known.items() if name in names}
        complaint.unsure = tuple(name for name in complaint.unsure if name in names)
        after = len(complaint.known) + len(complaint.unsure)
        if not after:
            del self._by_proxy[proxy][type_url]
        if after < before:
            self._on_change()
        return after < before

    def forget(self, proxy: str) -> bool:
        """Forget all that a proxy said; returns whether there was anything."""
        known = self._by_proxy.pop(proxy, None) is not None
        if known:
            self._on_change()
        return known

    def findings(self) -> Iterator[Finding]:
        """Yield a finding for each resource, and one for each object that is suspect, in no order."""
        proxies: defaultdict[_Case, list[str]] = defaultdict(list)
        made: defaultdict[_Case, set[Rejected]] = defaultdict(set)
        for proxy, by_type in self._by_proxy.items():
            for type_url, complaint in by_type.items():
                for case, rejected in complaint.cases(short(type_url)):
                    proxies[case].append(proxy)
                    made[case].add(rejected)
        for case, who in proxies.items():
            yield from _findings(case, who, made[case])

    def _complaint(self, proxy: str, type_url: str) -> _Complaint:
        return self._by_proxy[proxy].setdefault(type_url, _Complaint())


def short(type_url: str) -> str:
    """Return the short name of a type: `Cluster`."""
    return type_url.rpartition(".")[2]


def _findings(case: _Case, proxies: Collection[str], made: Iterable[Rejected]) -> Iterator[Finding]:
    suspects = sorted({ref for rejected in made for ref in rejected.suspects})[:MOST_OBJECTS]
    origins = max(rejected.origins for rejected in made)
    what = case.among or "this"
    of = f"; {_objects(origins, len(suspects))}" if origins else ""
    yield Finding(Ref(case.kind, "", case.name), "Rejected", f"{_said(proxies, what)}{of}: {case.text}")
    resource = f"{case.kind} {case.name}, which is made from this"
    for ref in suspects:
        yield Finding(ref, "Rejected", f"{_said(proxies, resource)}: {case.text}")


def _said(proxies: Collection[str], what: str) -> str:
    first = min(proxies)
    if len(proxies) == 1:
        return f"{first} rejected {what}, and goes on with the last good one"
    return f"{len(proxies)} proxies, for example {first}, rejected {what}, and go on with the last good one"


def _objects(origins: int, suspects: int) -> str:
    objects = f"it is made from {origins} object{'s' if origins > 1 else ''}"
    return objects if suspects == origins else f"{objects}, {suspects} of which may be the cause"
