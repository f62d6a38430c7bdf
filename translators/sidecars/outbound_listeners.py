"""Which outbound listener of a sidecar serves which services: one for a port, or one for an address of a service.

Without interception a workload calls loopback, so all services of a port share one listener. With it the kernel
reports the original destination: L4 services have a listener for each of their addresses (Istio), and so have HTTP
services with routes of Gateway API, which apply to every request to that address, whatever its Host. The listener of
the port serves services without addresses, or with too many: headless ones by the addresses of their Pods, and ranges.
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
    """What the listener of a port serves.

    `http`: some service has HTTP there, or a protocol to detect. `only_http`: all declare HTTP. `first` sorts L4
    services, of which the first, TLS last and then by age, gets connections that match no other. `tls` and `addressed`
    are the services that are matched by server names, and by addresses.
    """

    number: int
    http: bool = False
    only_http: bool = True
    first: tuple[bool, str, str] | None = None
    tls: tuple[str, ...] = ()
    addressed: tuple[str, ...] = ()

    @property
    def default(self) -> str:
        """The host of the service for connections that match no other, or ""."""
        return self.first[2] if self.first else ""


def port_uses(view: View, visibility: Visibility, *, intercepted: bool) -> tuple[PortUse, ...]:
    """Return what the listeners of a sidecar's ports serve, sorted."""
    return view.memo(_ports, visibility, intercepted)


def find_port_use(view: View, visibility: Visibility, number: int, *, intercepted: bool) -> PortUse | None:
    """Return what the listener of a port serves, or None when there is none."""
    return next((use for use in port_uses(view, visibility, intercepted=intercepted) if use.number == number), None)


def address_listeners(view: View, visibility: Visibility, partition: Partition) -> tuple[tuple[str, int], ...]:
    """Return the addresses and ports of a partition of the services that have listeners of their own."""
    routed = view.memo(route_tables.ports_with_service_routes, visibility, partition)
    places = {
        (address, port.number)
        for host, _, ports in view.memo(services.ports_of, visibility, partition)
        if (service := services.service_on_listeners(view, visibility, host))
        for port in ports
        if not port.protocol.is_http or (host, port.number) in routed
        for address in dialable_addresses(service)
    }
    return tuple(sorted(places))


def address_route_configs(view: View, visibility: Visibility, partition: Partition) -> tuple[str, ...]:
    """Return `host:port` of the services of a partition whose own listeners have HTTP, or detect it."""
    routed = view.memo(route_tables.ports_with_service_routes, visibility, partition)
    return tuple(
        virtual_host(host, port.number)
        for host, _, ports in view.memo(services.ports_of, visibility, partition)
        if (service := services.service_on_listeners(view, visibility, host)) and dialable_addresses(service)
        for port in ports
        if port.protocol is Protocol.AUTO or (host, port.number) in routed
    )


def services_at(view: View, visibility: Visibility, address: str, number: int) -> tuple[tuple[Service, Port], ...]:
    """Return the services with a listener of their own at an address and port, oldest first."""
    hosts = {s.host for obj in view.by("service.address", address) for s in view.lowered(obj.ref).services}
    matching = []
    for host in hosts:
        service = services.service_on_listeners(view, visibility, host)
        port = port_of(service, number) if service else None
        if service and port and address in dialable_addresses(service) and _is_own(view, visibility, service, port):
            matching.append((service, port))
    return tuple(sorted(matching, key=lambda pair: (pair[1].protocol is Protocol.TLS, pair[0].created, pair[0].host)))


def dialable_addresses(service: Service) -> tuple[str, ...]:
    """Return the addresses of a service that clients can dial: no ranges."""
    return tuple(a for a in service.addresses if a not in _ANY_ADDRESS and is_ip(a))


def address_ranges(view: View, service: Service, number: int) -> tuple[str, ...]:
    """Return the addresses that match a service on a shared port: its ranges, or those of its Pods."""
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
    every = (view.memo(_uses, visibility, intercepted, partition) for partition in partitions)
    return _merge(use for uses in every for use in uses)


def _uses(view: View, visibility: Visibility, intercepted: bool, partition: Partition) -> tuple[PortUse, ...]:
    uses: list[PortUse | None] = []
    for host, created, ports in view.memo(services.ports_of, visibility, partition):
        service = services.service_on_listeners(view, visibility, host) if intercepted else None
        uses += (_use(port, host, created) if service is None else _intercepted(service, port) for port in ports)
    return _merge(use for use in uses if use is not None)


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
    """Return what the listener of a port serves for a service that may have listeners of its own."""
    if port.protocol.is_http:
        # Not only HTTP: what clients send to undeclared addresses of this port arrives here too (Istio).
        return PortUse(port.number, http=True, only_http=False)
    if service.headless or any("/" in address for address in service.addresses):
        http = port.protocol is Protocol.AUTO
        return PortUse(port.number, http=http, only_http=False, addressed=(service.host,))
    if dialable_addresses(service):
        return None
    use = _use(port, service.host, service.created)
    if service.external_name and not (use.http or use.tls):
        return None
    # Not the first for unknown connections: with interception, those go on to the address that was dialled. Those to
    # external names look like any other. See decision 0129.
    return msgspec.structs.replace(use, first=None) if use.tls or service.external_name else use


def _merge(uses: Iterable[PortUse]) -> tuple[PortUse, ...]:
    """Return one use of each port, sorted."""
    by_port: dict[int, PortUse] = {}
    for use in uses:
        earlier = by_port.get(use.number)
        by_port[use.number] = _merge_two(earlier, use) if earlier else use
    return tuple(by_port[number] for number in sorted(by_port))


def _merge_two(a: PortUse, b: PortUse) -> PortUse:
    return PortUse(
        a.number,
        a.http or b.http,
        a.only_http and b.only_http,
        min((first for first in (a.first, b.first) if first), default=None),
        (*a.tls, *b.tls),
        (*a.addressed, *b.addressed),
    )
