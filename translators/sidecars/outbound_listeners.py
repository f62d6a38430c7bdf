"""Where connections to services arrive at a sidecar: on the listener of a port, or on one of the service's own address.

Without interception a workload calls loopback, so all services of a port share one listener. With it the kernel tells
where the client wanted to go: what is not HTTP gets a listener for each address of its service (Istio), and so does
HTTP where Gateway API's routes of the service hold, which are for those who dial it, whatever Host they say. On the
port's own one stands what has none, or too many: headless services by the addresses of their Pods, ranges.
"""

from collections.abc import Iterable

import msgspec

from mirrorplane.api.hosts import is_ip
from mirrorplane.api.mesh import Port, Protocol, Service
from mirrorplane.api.proxy import Visibility
from mirrorplane.api.view import View
from mirrorplane.translators.lookups import route_tables, services
from mirrorplane.translators.lookups.endpoints import port_of, tcp_endpoints
from mirrorplane.translators.names import virtual_host
from mirrorplane.translators.partitions import Partition

_ANY_ADDRESS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - Istio: an address to leave out


class PortUse(msgspec.Struct, frozen=True):
    """What the listener of a port is for.

    `http`: some service takes HTTP there, or may. `only_http`: all say that they do. `first` is who gets what nobody
    else wants: a service that does not say it is HTTP, TLS last, else the oldest. `tls` and `addressed` are the
    services that are told from others by server names, and by addresses.
    """

    number: int
    http: bool = False
    only_http: bool = True
    first: tuple[bool, str, str] | None = None
    tls: tuple[str, ...] = ()
    addressed: tuple[str, ...] = ()

    @property
    def default(self) -> str:
        """The host that gets what nobody else wants, or ""."""
        return self.first[2] if self.first else ""


def port_uses(view: View, visibility: Visibility, *, intercepted: bool) -> tuple[PortUse, ...]:
    """Return what a sidecar's ports are used for, sorted."""
    return view.memo(_ports, visibility, intercepted)


def find_port_use(view: View, visibility: Visibility, number: int, *, intercepted: bool) -> PortUse | None:
    """Return what a port is used for, or None when nothing arrives there."""
    return next((use for use in port_uses(view, visibility, intercepted=intercepted) if use.number == number), None)


def address_listeners(view: View, visibility: Visibility, partition: Partition) -> tuple[tuple[str, int], ...]:
    """Return the addresses of a part of the services, with the port, that have listeners of their own."""
    routed = view.memo(route_tables.ports_with_service_routes, visibility, partition)
    found = {
        (address, port.number)
        for host, _, said in view.memo(services.ports_of, visibility, partition)
        if (service := services.service_on_listeners(view, visibility, host))
        for port in said
        if not port.protocol.is_http or (host, port.number) in routed
        for address in dialable_addresses(service)
    }
    return tuple(sorted(found))


def own_configurations(view: View, visibility: Visibility, partition: Partition) -> tuple[str, ...]:
    """Return `host:port` of the services of a part whose own listeners take HTTP, or look whether it is."""
    routed = view.memo(route_tables.ports_with_service_routes, visibility, partition)
    return tuple(
        virtual_host(host, port.number)
        for host, _, said in view.memo(services.ports_of, visibility, partition)
        if (service := services.service_on_listeners(view, visibility, host)) and dialable_addresses(service)
        for port in said
        if port.protocol is Protocol.AUTO or (host, port.number) in routed
    )


def services_at(view: View, visibility: Visibility, address: str, number: int) -> tuple[tuple[Service, Port], ...]:
    """Return the services whose own listener an address and port is, oldest first."""
    hosts = {s.host for obj in view.by("service.address", address) for s in view.lowered(obj.ref).services}
    found = []
    for host in hosts:
        service = services.service_on_listeners(view, visibility, host)
        port = port_of(service, number) if service else None
        if service and port and address in dialable_addresses(service) and _is_own(view, visibility, service, port):
            found.append((service, port))
    return tuple(sorted(found, key=lambda each: (each[1].protocol is Protocol.TLS, each[0].created, each[0].host)))


def dialable_addresses(service: Service) -> tuple[str, ...]:
    """Return the addresses of a service that clients dial, ranges left out."""
    return tuple(a for a in service.addresses if a not in _ANY_ADDRESS and is_ip(a))


def address_ranges(view: View, service: Service, number: int) -> tuple[str, ...]:
    """Return how its traffic is told from others' on a shared port: ranges it states, or its Pods' addresses."""
    if service.addresses:
        return tuple(a for a in service.addresses if "/" in a)
    if service.headless:
        return tuple(
            dict.fromkeys(
                e.address for e in view.memo(tcp_endpoints, service.ref, service.host, number) if is_ip(e.address)
            )
        )
    return ()


def _is_own(view: View, visibility: Visibility, service: Service, port: Port) -> bool:
    return not port.protocol.is_http or view.memo(
        route_tables.has_service_routes, visibility, service.host, port.number
    )


def _ports(view: View, visibility: Visibility, intercepted: bool) -> tuple[PortUse, ...]:
    partitions = view.memo(services.partitions, visibility)
    return _merged(use for each in partitions for use in view.memo(_uses, visibility, intercepted, each))


def _uses(view: View, visibility: Visibility, intercepted: bool, partition: Partition) -> tuple[PortUse, ...]:
    found: list[PortUse | None] = []
    for host, created, said in view.memo(services.ports_of, visibility, partition):
        service = services.service_on_listeners(view, visibility, host) if intercepted else None
        found += (_use(port, host, created) if service is None else _intercepted(service, port) for port in said)
    return _merged(use for use in found if use is not None)


def _use(port: Port, host: str, created: str) -> PortUse:
    if port.protocol.is_http:
        return PortUse(port.number, http=True)
    tls = port.protocol is Protocol.TLS
    return PortUse(
        port.number,
        http=port.protocol is Protocol.AUTO,
        only_http=False,
        first=(tls, created, host),
        tls=(host,) if tls else (),
    )


def _intercepted(service: Service, port: Port) -> PortUse | None:
    """Return what a service uses the listener of a port for, beside what arrives at its own address."""
    if port.protocol.is_http:
        return PortUse(port.number, http=True, only_http=False)
    if service.headless or any("/" in address for address in service.addresses):
        http = port.protocol is Protocol.AUTO
        return PortUse(port.number, http=http, only_http=False, addressed=(service.host,))
    if dialable_addresses(service):
        return None
    use = _use(port, service.host, service.created)
    return msgspec.structs.replace(use, first=None) if use.tls else use


def _merged(uses: Iterable[PortUse]) -> tuple[PortUse, ...]:
    """Return one use of each port, sorted."""
    found: dict[int, PortUse] = {}
    for use in uses:
        known = found.get(use.number)
        found[use.number] = _together(known, use) if known else use
    return tuple(found[number] for number in sorted(found))


def _together(one: PortUse, other: PortUse) -> PortUse:
    taken = [first for first in (one.first, other.first) if first]
    return PortUse(
        one.number,
        one.http or other.http,
        one.only_http and other.only_http,
        min(taken) if taken else None,
        (*one.tls, *other.tls),
        (*one.addressed, *other.addressed),
    )
