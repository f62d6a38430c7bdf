"""Several ServiceEntries for one host: their ports are those of one service (Istio: pilot/pkg/model/sidecar.go)."""

from collections.abc import Iterable

import msgspec

from mirrorplane.api.mesh import Port, Protocol, Service


def is_entry(service: Service) -> bool:
    """Tell whether it is not Kubernetes' own, whose kind has no group."""
    return "/" in service.ref.kind


def merge_ports(service: Service, others: Iterable[Service]) -> Service:
    """Return a service with the ports that others of its host add to it, the oldest first.

    A port number that the service has keeps its meaning. Nothing but ports is merged: addresses are the service's.
    """
    ports = {_key(port): port for port in service.ports}
    for other in sorted(others, key=lambda entry: (entry.created, entry.ref.name)):
        if not merge_problem(service, other):
            ports |= {_key(port): port for port in other.ports if _key(port) not in ports}
    if len(ports) == len(service.ports):
        return service
    return msgspec.structs.replace(service, ports=tuple(ports.values()))


def merge_problem(service: Service, other: Service) -> str:
    """Return the field in which another service of the host differs, so that it adds no ports; "" when it does.

    Istio compares the labels of the objects too, which mean nothing else here.
    """
    if not (is_entry(service) and is_entry(other)):
        return "kind"
    if service.namespace != other.namespace:
        return "metadata.namespace"
    if service.resolution is not other.resolution:
        return "spec.resolution"
    if service.selector != other.selector:
        return "spec.workloadSelector"
    return "" if set(service.export_to) == set(other.export_to) else "spec.exportTo"


def _key(port: Port) -> tuple[int, bool]:
    return port.number, port.protocol is Protocol.UDP
