"""Listeners with TLS that clients may take for one another: their hosts overlap, or the names in their certificates.

A client may send requests for one of them by a connection to the other. HTTPS listeners answer those 421, so HTTP/2 is
offered all the same.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.gateways import Termination
from mirrorplane.api.hosts import candidates
from mirrorplane.api.kinds.gateway_api import gateway as gw
from mirrorplane.api.meta import Ref
from mirrorplane.api.view import View
from mirrorplane.translators.secrets import referenced_secrets

Place = tuple[Ref, str]
"""A listener: who writes it down, and its field there."""
Named = Mapping[Place, Iterable[str]]


def overlaps(
    view: View, said: Mapping[Place, tuple[gw.Listener, Termination | None]]
) -> Mapping[Place, tuple[Finding, ...]]:
    """Return a warning for each of these listeners that overlaps with another of its port. Hosts are told first."""
    ports: dict[int, list[Place]] = defaultdict(list)
    for place, (listener, _) in said.items():
        if listener.tls is not None:
            ports[listener.port].append(place)
    found: dict[Place, tuple[Finding, ...]] = {}
    for places in ports.values():
        if len(places) > 1:
            hosts = {place: (said[place][0].hostname or "*",) for place in places}
            names = {place: tuple(_names(view, place[0], said[place][1])) for place in places}
            shared = dict(_shared(names, _above)), dict(_shared(hosts, candidates))
            found |= {place: (_finding(place, other, said, "Certificates"),) for place, other in shared[0].items()}
            found |= {place: (_finding(place, other, said, "Hostnames"),) for place, other in shared[1].items()}
    return found


def _shared(said: Named, wider: Callable[[str], Iterable[str]]) -> Iterator[tuple[Place, Place]]:
    """Yield listeners with one that they overlap with: a name of one is a name of the other, or covered by one.

    All that may cover a name are looked up, so that a thousand listeners of one certificate are no million pairs.
    """
    having, under = _filed(said, lambda name: (name,)), _filed(said, wider)
    for place, names in said.items():
        met = [having.get(wide, ()) for name in names for wide in wider(name)] + [under.get(name, ()) for name in names]
        other = next((one for some in met for one in some if one != place), None)
        if other is not None:
            yield place, other


def _filed(said: Named, keys: Callable[[str], Iterable[str]]) -> Mapping[str, tuple[Place, ...]]:
    """Return by key the first two listeners with a name that has it: one of them is another than the one that asks."""
    found: dict[str, tuple[Place, ...]] = {}
    for place, names in said.items():
        for key in dict.fromkeys(key for name in names for key in keys(name)):
            found[key] = (*found.get(key, ()), place)[:2]
    return found


def _above(name: str) -> tuple[str, str]:
    """Return a name in a certificate and the wildcard that holds for it: that of its domain and no other."""
    return name, f"*.{name.partition('.')[2]}"


def _names(view: View, owner: Ref, said: Termination | None) -> Iterator[str]:
    for name in referenced_secrets.certificates(said) if said is not None else ():
        found = referenced_secrets.held(view, owner, name)
        yield from found.names if found is not None else ()


def _finding(
    place: Place, other: Place, said: Mapping[Place, tuple[gw.Listener, Termination | None]], what: str
) -> Finding:
    owner, path = place
    shown = f"listener {said[other][0].name}" + (f" of {other[0]}" if other[0] != owner else "")
    whose = "its hosts" if what == "Hostnames" else "the names in its certificate"
    message = (
        f"{whose} overlap with those of {shown}: clients may send requests for one by a connection to the other,"
        " which HTTPS listeners answer 421"
    )
    return Finding(owner, f"Overlapping{what}", message, f"{path}.tls", Severity.WARNING)
