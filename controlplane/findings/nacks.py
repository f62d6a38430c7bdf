"""What proxies reject, as findings on the resources and on the objects that they were built from.

When a thousand proxies reject the same resource for the same
reason, that is one finding. See decision 0031.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

import msgspec

from mirrorplane.api.finding import Finding
from mirrorplane.api.meta import Ref
from mirrorplane.api.resource import Resource

MOST_NAMED = 20
"""When a proxy rejects more resources at once, nothing is known about each: they are reported as one finding."""

MOST_OBJECTS = 50
"""How many objects get a finding because of one resource."""

REJECTED = "Rejected"
_EXAMPLES = 3


class Rejection(msgspec.Struct, frozen=True):
    """Why a proxy rejected a resource, in Envoy's words.

    `candidates` are the objects that may be the cause, sorted; `origins` is how many objects it was built from.
    """

    message: str
    candidates: tuple[Ref, ...] = ()
    origins: int = 0


class _Case(msgspec.Struct, frozen=True):
    """Equal rejections of several proxies are one case. `group` describes many resources of which some are bad."""

    kind: str
    name: str
    message: str
    group: str = ""


class _Rejections:
    """What one proxy rejects of one type: resources by name, and a group of which it rejects one or more, if any."""

    __slots__ = ("by_name", "group", "group_message")

    def __init__(self) -> None:
        self.by_name: dict[str, Rejection] = {}
        self.group: Collection[str] = ()
        self.group_message = ""

    @property
    def size(self) -> int:
        """How many resources may be rejected."""
        return len(self.by_name) + len(self.group)

    def cases(self, kind: str) -> Iterator[tuple[_Case, Rejection]]:
        """Yield the cases of a type, each with the rejection."""
        for name, rejection in self.by_name.items():
            yield _Case(kind, name, rejection.message), rejection
        if len(self.group) > MOST_NAMED:
            examples = ", ".join(sorted(self.group)[:_EXAMPLES])
            group = f"one or more of {len(self.group)} resources ({examples}, ...)"
            yield _Case(kind, "", self.group_message, group), Rejection(self.group_message)
            return
        for name in set(self.group).difference(self.by_name):
            yield _Case(kind, name, self.group_message), Rejection(self.group_message)


class NackStore:
    """What each proxy rejects now: by proxy, type and name of the resource ("" where the proxy named none).

    `on_change` is called whenever the findings change.
    """

    def __init__(self, on_change: Callable[[], None] = lambda: None) -> None:
        self._on_change = on_change
        self._by_proxy: defaultdict[str, dict[str, _Rejections]] = defaultdict(dict)

    def add(self, proxy: str, type_url: str, by_name: Mapping[str, Rejection]) -> None:
        """Add the rejections of resources of a type; they replace earlier ones of the same resources."""
        rejections = self._rejections(proxy, type_url)
        rejections.by_name.update(by_name)
        rejections.group = tuple(name for name in rejections.group if name not in by_name)
        self._on_change()

    def explain(self, proxy: str, resource: Resource, rejection: Rejection, explained: Rejection) -> bool:
        """Replace this very rejection; returns False when it was replaced or resolved in the meantime."""
        rejections = self._by_proxy.get(proxy, {}).get(resource.type_url)
        if rejections is None or rejections.by_name.get(resource.name) is not rejection:
            return False
        rejections.by_name[resource.name] = explained
        self._on_change()
        return True

    def suspect(self, proxy: str, type_url: str, names: Collection[str], message: str) -> None:
        """Add that a proxy rejects one or more of these resources. The names are not copied: there may be thousands."""
        rejections = self._rejections(proxy, type_url)
        # A second group joins the first: which of the two messages belongs to a resource is not known.
        rejections.group = {*rejections.group, *names} if rejections.group else names
        rejections.group_message = message
        self._on_change()

    def keep(self, proxy: str, type_url: str, names: Collection[str]) -> bool:
        """Resolve a proxy's rejections of a type, except those of these resources; returns whether there were any."""
        rejections = self._by_proxy.get(proxy, {}).get(type_url)
        if rejections is None:
            return False
        before = rejections.size
        rejections.by_name = {name: rejection for name, rejection in rejections.by_name.items() if name in names}
        rejections.group = tuple(name for name in rejections.group if name in names)
        if not rejections.size:
            del self._by_proxy[proxy][type_url]
        resolved = rejections.size < before
        if resolved:
            self._on_change()
        return resolved

    def forget(self, proxy: str) -> bool:
        """Drop everything a proxy rejected; returns whether there was anything."""
        existed = self._by_proxy.pop(proxy, None) is not None
        if existed:
            self._on_change()
        return existed

    def findings(self) -> Iterator[Finding]:
        """Yield a finding for each rejected resource, and one for each candidate object, in no order."""
        proxies: defaultdict[_Case, list[str]] = defaultdict(list)
        rejections: defaultdict[_Case, set[Rejection]] = defaultdict(set)
        for proxy, by_type in self._by_proxy.items():
            for type_url, of_type in by_type.items():
                for case, rejection in of_type.cases(short(type_url)):
                    proxies[case].append(proxy)
                    rejections[case].add(rejection)
        for case, proxy_ids in proxies.items():
            yield from _findings(case, proxy_ids, rejections[case])

    def _rejections(self, proxy: str, type_url: str) -> _Rejections:
        return self._by_proxy[proxy].setdefault(type_url, _Rejections())


def short(type_url: str) -> str:
    """Return the short name of a type: `Cluster`."""
    return type_url.rpartition(".")[2]


def _findings(case: _Case, proxies: Collection[str], rejections: Iterable[Rejection]) -> Iterator[Finding]:
    candidates = sorted({ref for rejection in rejections for ref in rejection.candidates})[:MOST_OBJECTS]
    origins = max(rejection.origins for rejection in rejections)
    by_whom = f"rejected by {_names(proxies)}; the last good version, if any, stays in use"
    about_resource = f"{case.group} {by_whom}" if case.group else by_whom
    cause = f"; {_built_from(origins, len(candidates))}" if origins else ""
    yield Finding(Ref(case.kind, "", case.name), REJECTED, f"{about_resource}{cause}: {case.message}")
    about_object = f"{case.kind} {case.name}, which is built from this object, was {by_whom}"
    for ref in candidates:
        yield Finding(ref, REJECTED, f"{about_object}: {case.message}")


def _names(proxies: Collection[str]) -> str:
    first = min(proxies)
    return first if len(proxies) == 1 else f"{len(proxies)} proxies, for example {first}"


def _built_from(origins: int, candidates: int) -> str:
    objects = f"built from {origins} object{'s' if origins > 1 else ''}"
    return objects if candidates == origins else f"{objects}, {candidates} of which may be the cause"
