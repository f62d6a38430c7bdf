"""What proxies have accepted of a Gateway, and what of its status follows from that. Pure. See decision 0088."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from mirrorplane.api.meta import Ref
from mirrorplane.api.proxy import ROUTER, Scope
from mirrorplane.api.resource import LISTENER
from mirrorplane.api.status import FALSE, PROGRAMMED, TRUE, UNKNOWN, Condition, Section, Status
from mirrorplane.translators.routers.servers import UnservedServer

if TYPE_CHECKING:
    from mirrorplane.controlplane.xds.status import StreamStatus, TypeStatus

_ADDRESSES = 16
_SHOWN = 3


class Delivery(msgspec.Struct, frozen=True):
    """How far a proxy is: `settled` when it has the listeners it should; `rejected` is what it rejects, and why.

    `unserved` are the listeners of the object that it does not take anybody in at, by name, and why.
    """

    proxy: str
    ip: str
    settled: bool
    rejected: tuple[str, ...] = ()
    unserved: Mapping[str, str] = {}


Deliveries = Mapping[Ref, Sequence[Delivery]]


def deliveries(
    streams: "Iterable[tuple[StreamStatus, Scope]]",
    unserved: Callable[[Scope], Iterable[UnservedServer]] = lambda _: (),
) -> Deliveries:
    """Return how far the routers of each gateway are. A proxy may have a stream for each type.

    `unserved` says which servers a router of a scope does not take anybody in at. What joins a gateway is only there
    where some of its own are such; else it is as far as its gateway.
    """
    by_proxy: defaultdict[str, list[StreamStatus]] = defaultdict(list)
    scopes: dict[str, Scope] = {}
    for stream, scope in streams:
        if scope.role == ROUTER:
            by_proxy[stream.proxy.id].append(stream)
            scopes[stream.proxy.id] = scope
    found: defaultdict[Ref, list[Delivery]] = defaultdict(list)
    for proxy, of_proxy in sorted(by_proxy.items()):
        delivery, shut = _delivery(of_proxy), tuple(unserved(scopes[proxy]))
        for ref in dict.fromkeys((*scopes[proxy].gateways, *(one.about for one in shut))):
            own = {one.server.section_name: one.why for one in shut if one.about == ref}
            found[ref].append(msgspec.structs.replace(delivery, unserved=own))
    return found


def delivered(said: Status, to: Sequence[Delivery] | None) -> Status:
    """Return a status as the proxies leave it. None: nobody could ask them.

    Gateway API: Programmed means that the configuration is where it has to be; here, that every connected proxy that
    serves the Gateway has accepted it, and that every address that is asked for is one of theirs.
    """
    if not said.programmed:
        return said
    outcome = _outcome(said, to)
    if to and said.addresses is not None:
        said = msgspec.structs.replace(said, facts={**said.facts, "addresses": _addresses(said, to)})
    sections = tuple(_of_section(one, _open(one, _at(outcome, one.place, to), to)) for one in said.sections)
    whole = outcome if outcome.status != TRUE else _any(sections, outcome)
    return msgspec.structs.replace(
        said, conditions=tuple(_agreed(one, whole) for one in said.conditions), sections=sections
    )


def _delivery(streams: "Sequence[StreamStatus]") -> Delivery:
    proxy = streams[0].proxy
    nacks = tuple(f"{t.type_url.rpartition('.')[2]}: {t.nack}" for s in streams for t in s.types if t.nack is not None)
    types = [one for stream in streams for one in stream.types]
    return Delivery(f"{proxy.name}.{proxy.namespace}", proxy.ip, bool(types) and all(map(_is_there, types)), nacks)


def _is_there(one: "TypeStatus") -> bool:
    """Tell whether a proxy has what makes up a Gateway. Of what changes with each route it must have had some."""
    return one.settled or (one.type_url != LISTENER and bool(one.pushes))


def _outcome(said: Status, to: Sequence[Delivery] | None) -> Condition:
    """Return whether what could be programmed is."""
    if to is None:
        return Condition(PROGRAMMED, UNKNOWN, "Pending", "only a running control plane knows what proxies accept")
    if not to:
        return Condition(PROGRAMMED, FALSE, "Pending", "no proxy that serves it is connected")
    there = {one.ip for one in to}
    unusable = [address for address in said.addresses or () if address and address not in there]
    if unusable:
        message = f"no connected proxy has the address {', '.join(unusable)}"
        return Condition(PROGRAMMED, FALSE, "AddressNotUsable", message)
    refused = [f"{one.proxy} rejects {text}" for one in to for text in one.rejected]
    if refused:
        return Condition(PROGRAMMED, FALSE, "Invalid", "; ".join(refused[:_SHOWN]))
    waiting = [one.proxy for one in to if not one.settled]
    if waiting:
        message = f"{len(waiting)} of {len(to)} proxies have not accepted it yet: {', '.join(waiting[:_SHOWN])}"
        return Condition(PROGRAMMED, FALSE, "Pending", message)
    return Condition(PROGRAMMED, TRUE, PROGRAMMED)


def _addresses(said: Status, to: Sequence[Delivery]) -> list[Mapping[str, str]]:
    """Return the addresses of the proxies, or those of them that are asked for; none where nothing can be served."""
    if any(one.type == PROGRAMMED and one.status == FALSE for one in said.conditions):
        return []
    wanted = {address for address in said.addresses or () if address}
    found = dict.fromkeys(one.ip for one in to if not wanted or one.ip in wanted)
    return [{"type": "IPAddress", "value": ip} for ip in list(found)[:_ADDRESSES]]


def _at(outcome: Condition, place: str, to: Sequence[Delivery] | None) -> Condition:
    """Return what holds for a listener: where proxies reject listeners of other ports by name, it is served."""
    named = {text for one in to or () for text in one.rejected if text.startswith("Listener:")}
    others = named and all(f"{place}:" not in text and f"{place} " not in text for text in named)
    every = [text for one in to or () for text in one.rejected]
    if outcome.reason == "Invalid" and others and len(named) == len(set(every)):
        return Condition(PROGRAMMED, TRUE, PROGRAMMED)
    return outcome


def _open(said: Section, outcome: Condition, to: Sequence[Delivery] | None) -> Condition:
    """Return what holds for a listener where what proxies have accepted may be that they take nobody in at it."""
    name = said.key.get("name", "")
    shut = [f"listener not served by {one.proxy}: {one.unserved[name]}" for one in to or () if name in one.unserved]
    if not shut or outcome.status != TRUE:
        return outcome
    return Condition(PROGRAMMED, FALSE, "Invalid", "; ".join(shut[:_SHOWN]))


def _any(sections: Sequence[Section], outcome: Condition) -> Condition:
    """Return what holds for an object: it is programmed if any of its listeners is."""
    found = [one.status for section in sections for one in section.conditions if one.type == PROGRAMMED]
    if not found or TRUE in found:
        return outcome
    return Condition(PROGRAMMED, FALSE, "Invalid", "no listener accepts connections")


def _of_section(said: Section, outcome: Condition) -> Section:
    return msgspec.structs.replace(said, conditions=tuple(_agreed(one, outcome) for one in said.conditions))


def _agreed(said: Condition, outcome: Condition) -> Condition:
    """Return a condition; what is said to be programmed is what the proxies make of it."""
    return outcome if said.type == PROGRAMMED and said.status == TRUE else said
