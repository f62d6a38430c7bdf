"""TLS listeners that clients may mistake for one another: their hosts overlap, or the names in their certificates.

A client may reuse a connection to one for requests to the other (HTTP/2 coalescing). HTTPS listeners answer those 421,
so HTTP/2 is offered all the same.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.gateways import Termination
from mirrorplane.api.hosts import candidates
from mirrorplane.api.kinds.gateway_api import gateway as gw
from mirrorplane.api.meta import Ref
from mirrorplane.api.view import View
from mirrorplane.translators.secrets import referenced_secrets

Place = tuple[Ref, str]
"""A listener: the object that declares it, and its field there."""
Listeners = Mapping[Place, tuple[gw.Listener, Termination | None]]
NamesByPlace = Mapping[Place, Iterable[str]]


def overlap_findings(view: View, listeners: Listeners) -> Mapping[Place, tuple[Finding, ...]]:
    """Return a warning for each listener that overlaps with another of its port; hosts are reported first."""
    ports: dict[int, list[Place]] = defaultdict(list)
    for place, (listener, _) in listeners.items():
        # Only connections by TLS are reused for another host.
        if listener.tls is not None:
            ports[listener.port].append(place)
    findings: dict[Place, tuple[Finding, ...]] = {}
    for places in ports.values():
        if len(places) > 1:
            hosts = {place: (listeners[place][0].hostname or "*",) for place in places}
            names = {place: tuple(_names(view, place[0], listeners[place][1])) for place in places}
            by_name, by_host = dict(_pairs(names, _covering)), dict(_pairs(hosts, candidates))
            findings |= {p: (_finding(p, rival, listeners, "Certificates"),) for p, rival in by_name.items()}
            findings |= {p: (_finding(p, rival, listeners, "Hostnames"),) for p, rival in by_host.items()}
    return findings


def _pairs(names: NamesByPlace, wider: Callable[[str], Iterable[str]]) -> Iterator[tuple[Place, Place]]:
    """Yield each listener with one that it overlaps with: a name of one equals or covers a name of the other.

    Names are looked up by everything that may cover them, so that a thousand listeners with one certificate cost a
    thousand look-ups and not a million comparisons.
    """
    by_name, by_wider = _indexed(names, lambda name: (name,)), _indexed(names, wider)
    for place, own_names in names.items():
        covering = [by_name.get(pattern, ()) for name in own_names for pattern in wider(name)]
        covered = [by_wider.get(name, ()) for name in own_names]
        rivals = (rival for places in covering + covered for rival in places if rival != place)
        yield from ((place, rival) for rival in islice(rivals, 1))


def _indexed(names: NamesByPlace, keys: Callable[[str], Iterable[str]]) -> Mapping[str, tuple[Place, ...]]:
    """Return the first two listeners by key: whichever looks itself up finds another one among two."""
    places: dict[str, tuple[Place, ...]] = {}
    for place, own_names in names.items():
        for key in dict.fromkeys(key for name in own_names for key in keys(name)):
            places[key] = (*places.get(key, ()), place)[:2]
    return places


def _covering(name: str) -> tuple[str, str]:
    """Return what covers a name in a certificate: itself, and the wildcard of its parent domain alone (RFC 6125)."""
    return name, f"*.{name.partition('.')[2]}"


def _names(view: View, parent: Ref, termination: Termination | None) -> Iterator[str]:
    for name in referenced_secrets.server_certificates(termination) if termination is not None else ():
        credential = referenced_secrets.find_certificate(view, parent, name)
        yield from credential.names if credential is not None else ()


def _finding(place: Place, rival: Place, listeners: Listeners, what: str) -> Finding:
    parent, path = place
    name = f"listener {listeners[rival][0].name}" + (f" of {rival[0]}" if rival[0] != parent else "")
    subject = "its hosts overlap" if what == "Hostnames" else "the names in its certificate overlap"
    message = (
        f"{subject} with those of {name}; clients may reuse a connection to one for requests to the other, which HTTPS"
        " listeners answer 421"
    )
    return Finding(parent, f"Overlapping{what}", message, f"{path}.tls", Severity.WARNING)
