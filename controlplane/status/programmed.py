"""What routers have accepted of a Gateway, and what of its status follows: Programmed, and addresses. Pure.

See decision 0088.
"""

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

_MAX_ADDRESSES = 16
"""Gateway API: status.addresses has maxItems 16."""
_MAX_EXAMPLES = 3


class ProgrammedState(msgspec.Struct, frozen=True):
    """How far one router is with an object. `settled`: it has the listeners it should.

    `rejected` are the resources that it rejects, each with Envoy's reason. `unserved` are the object's listeners that
    it does not serve, by name, each with the reason.
    """

    proxy: str
    ip: str
    settled: bool
    rejected: tuple[str, ...] = ()
    unserved: Mapping[str, str] = {}


Deliveries = Mapping[Ref, Sequence[ProgrammedState]]


def deliveries_by_object(
    streams: "Iterable[tuple[StreamStatus, Scope]]",
    unserved_servers: Callable[[Scope], Iterable[UnservedServer]] = lambda _: (),
) -> Deliveries:
    """Return how far the routers of each Gateway are. A proxy may have a stream for each type.

    `unserved_servers` returns the servers that a router of a scope does not serve. An object that is attached to a
    Gateway (a ListenerSet) has deliveries of its own only when some of its listeners are among them.
    """
    streams_of: defaultdict[str, list[StreamStatus]] = defaultdict(list)
    scopes: dict[str, Scope] = {}
    for stream, scope in streams:
        if scope.role == ROUTER:
            streams_of[stream.proxy.id].append(stream)
            scopes[stream.proxy.id] = scope
    deliveries: defaultdict[Ref, list[ProgrammedState]] = defaultdict(list)
    for proxy_id, proxy_streams in sorted(streams_of.items()):
        delivery, unserved = _delivery(proxy_streams), tuple(unserved_servers(scopes[proxy_id]))
        for ref in dict.fromkeys((*scopes[proxy_id].gateways, *(server.about for server in unserved))):
            reasons = {server.server.section_name: server.explanation for server in unserved if server.about == ref}
            deliveries[ref].append(msgspec.structs.replace(delivery, unserved=reasons))
    return deliveries


def apply_deliveries(status: Status, deliveries: Sequence[ProgrammedState] | None) -> Status:
    """Return a status with what the routers have accepted. None: no running control plane could tell.

    Gateway API: Programmed means that the configuration is where it has to be. Here: every connected router that serves
    the Gateway has accepted it, and every requested address belongs to one of them.
    """
    if not status.programmed:
        return status
    outcome = _outcome(status, deliveries)
    if deliveries and status.addresses is not None:
        status = msgspec.structs.replace(status, facts={**status.facts, "addresses": _addresses(status, deliveries)})
    sections = tuple(_apply_to_section(section, outcome, deliveries or ()) for section in status.sections)
    summary = outcome if outcome.status != TRUE else _summary(sections, outcome)
    conditions = tuple(_apply(condition, summary) for condition in status.conditions)
    return msgspec.structs.replace(status, conditions=conditions, sections=sections)


def _delivery(streams: "Sequence[StreamStatus]") -> ProgrammedState:
    proxy = streams[0].proxy
    types = [type_status for stream in streams for type_status in stream.types]
    rejected = tuple(f"{t.type_url.rpartition('.')[2]}: {t.nack}" for t in types if t.nack is not None)
    settled = bool(types) and all(map(_is_delivered, types))
    return ProgrammedState(f"{proxy.name}.{proxy.namespace}", proxy.ip, settled, rejected)


def _is_delivered(status: "TypeStatus") -> bool:
    """Tell whether a router has what makes up a Gateway.

    Listeners must be up to date. Of the other types, which change with every route, one response is enough: else
    Programmed would flap while routes are edited.
    """
    return status.settled or (status.type_url != LISTENER and bool(status.pushes))


def _outcome(status: Status, deliveries: Sequence[ProgrammedState] | None) -> Condition:
    """Return the Programmed condition of what could be programmed."""
    if deliveries is None:
        return Condition(PROGRAMMED, UNKNOWN, "Pending", "only a running control plane knows what proxies accept")
    if not deliveries:
        return Condition(PROGRAMMED, FALSE, "Pending", "no connected proxy serves it")
    proxy_ips = {delivery.ip for delivery in deliveries}
    unusable = [address for address in status.addresses or () if address and address not in proxy_ips]
    if unusable:
        message = f"no connected proxy has the address {', '.join(unusable)}"
        return Condition(PROGRAMMED, FALSE, "AddressNotUsable", message)
    rejections = [f"{delivery.proxy} rejects {text}" for delivery in deliveries for text in delivery.rejected]
    if rejections:
        return Condition(PROGRAMMED, FALSE, "Invalid", "; ".join(rejections[:_MAX_EXAMPLES]))
    waiting = [delivery.proxy for delivery in deliveries if not delivery.settled]
    if waiting:
        examples = ", ".join(waiting[:_MAX_EXAMPLES])
        message = f"{len(waiting)} of {len(deliveries)} proxies have not accepted it yet: {examples}"
        return Condition(PROGRAMMED, FALSE, "Pending", message)
    return Condition(PROGRAMMED, TRUE, PROGRAMMED)


def _addresses(status: Status, deliveries: Sequence[ProgrammedState]) -> list[Mapping[str, str]]:
    """Return the addresses of the routers, limited to requested ones; none where nothing can be served."""
    if any(condition.type == PROGRAMMED and condition.status == FALSE for condition in status.conditions):
        return []
    requested = {address for address in status.addresses or () if address}
    addresses = dict.fromkeys(delivery.ip for delivery in deliveries if not requested or delivery.ip in requested)
    return [{"type": "IPAddress", "value": ip} for ip in list(addresses)[:_MAX_ADDRESSES]]


def _apply_to_section(section: Section, outcome: Condition, deliveries: Sequence[ProgrammedState]) -> Section:
    outcome = _apply_unserved(section, _ignore_other_listeners(outcome, section.place, deliveries), deliveries)
    conditions = tuple(_apply(condition, outcome) for condition in section.conditions)
    return msgspec.structs.replace(section, conditions=conditions)


def _ignore_other_listeners(outcome: Condition, place: str, deliveries: Sequence[ProgrammedState]) -> Condition:
    """Return a listener's outcome: programmed where routers reject nothing but listeners of other ports, by name.

    Envoy names the listener in its reason, and `place` is how that name ends.
    """
    reasons = {text for delivery in deliveries for text in delivery.rejected}
    listener_reasons = {text for text in reasons if text.startswith("Listener:")}
    # Envoy 1.40 writes `Error adding/updating listener(s) 0.0.0.0_80: ...`, one line for each listener.
    only_others = listener_reasons == reasons and all(
        f"{place}:" not in text and f"{place} " not in text for text in listener_reasons
    )
    if outcome.reason == "Invalid" and listener_reasons and only_others:
        return Condition(PROGRAMMED, TRUE, PROGRAMMED)
    return outcome


def _apply_unserved(section: Section, outcome: Condition, deliveries: Sequence[ProgrammedState]) -> Condition:
    """Return a listener's outcome: not programmed where accepted configuration does not include the listener."""
    name = section.key.get("name", "")
    unserved = [
        f"listener not served by {delivery.proxy}: {delivery.unserved[name]}"
        for delivery in deliveries
        if name in delivery.unserved
    ]
    if not unserved or outcome.status != TRUE:
        return outcome
    return Condition(PROGRAMMED, FALSE, "Invalid", "; ".join(unserved[:_MAX_EXAMPLES]))


def _summary(sections: Sequence[Section], outcome: Condition) -> Condition:
    """Return an object's outcome: it is programmed if any of its listeners is."""
    statuses = [c.status for section in sections for c in section.conditions if c.type == PROGRAMMED]
    if not statuses or TRUE in statuses:
        return outcome
    return Condition(PROGRAMMED, FALSE, "Invalid", "no listener accepts connections")


def _apply(condition: Condition, outcome: Condition) -> Condition:
    """Return a condition; one that claims to be programmed gets the outcome."""
    return outcome if condition.type == PROGRAMMED and condition.status == TRUE else condition
