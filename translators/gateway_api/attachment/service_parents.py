"""Services as parents of routes (GAMMA): which routes apply to the clients of a Service in the mesh.

A route in the Service's own namespace is a producer's, and applies to all clients. One in another namespace is a
consumer's, and applies only to clients in its own namespace.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.hosts import exported, fqdn
from mirrorplane.api.kinds.gateway_api import GROUP
from mirrorplane.api.kinds.gateway_api.references import ParentReference
from mirrorplane.api.mesh import Port, Protocol, Service
from mirrorplane.api.meta import Ref
from mirrorplane.api.routes import Order, Route, RouteTable
from mirrorplane.api.view import View
from mirrorplane.translators.gateway_api.attachment import parents
from mirrorplane.translators.gateway_api.references import find_service
from mirrorplane.translators.partitions import export_keys, namespace_keys, partition_index

_NOT_ATTACHED = "the route is not attached"
_ALL, _OWN = ("*",), (".",)
_GRPC = f"{GROUP}/GRPCRoute"


class ServiceParent(msgspec.Struct, frozen=True):
    """A port of a Service that a route is attached to, and the field that attaches it.

    `consumer`: the route applies only to clients in its own namespace, and else to all.
    """

    host: str
    port: int
    path: str
    consumer: bool


def is_service_parent(view: View, obj: parents.Route, ref: ParentReference) -> bool:
    """Tell whether a parent is a Service that exists, whose status entry is ours to write."""
    service = parents.service_of(obj, ref)
    return service is not None and view.get(service) is not None


def has_service_parent(view: View, obj: parents.Route) -> bool:
    """Tell whether any of a route's parents is such a Service."""
    return any(is_service_parent(view, obj, ref) for ref in obj.spec.parent_refs)


def service_parents(view: View, obj: parents.Route) -> tuple[ServiceParent, ...]:
    """Return the ports of Services that a route is attached to, each once, in the order of its parentRefs."""
    by_port: dict[tuple[str, int], ServiceParent] = {}
    for i in range(len(obj.spec.parent_refs)):
        for parent in _ports_at(view, obj, i):
            if not _has_rival(view, obj, parent):
                by_port.setdefault((parent.host, parent.port), parent)
    return tuple(by_port.values())


def service_tables(
    view: View, obj: parents.Route, routes: Callable[[ServiceParent], Iterable[Route]]
) -> Iterator[RouteTable]:
    """Yield a table for each port that a route is attached to; `routes` makes the rules for it."""
    for parent in service_parents(view, obj):
        yield RouteTable(
            ref=obj.ref,
            hosts=(parent.host,),
            routes=tuple(routes(parent)),
            # Visibility does what GAMMA asks: a consumer's route is exported to its own namespace only.
            export_to=_OWN if parent.consumer else _ALL,
            created=obj.created,
            order=Order.PRECISE,
            port=parent.port,
            path=parent.path,
        )


def service_parent_findings(view: View, obj: parents.Route) -> Iterator[Finding]:
    """Report the Services that a route cannot attach to, and why."""
    for i, ref in enumerate(obj.spec.parent_refs):
        service, path = parents.service_of(obj, ref), f"spec.parentRefs[{i}]"
        if service is not None and view.get(service) is None:
            message = f"{service} not found; {_NOT_ATTACHED}"
            fix = "correct the name, or create it"
            yield Finding(obj.ref, "ParentNotFound", message, path, Severity.WARNING, fix)
        elif service is not None and (problem := _problem(view, obj, service, ref)):
            yield Finding(obj.ref, "NoMatchingParent", f"{problem}; {_NOT_ATTACHED}", path)
        elif (ref.group, ref.kind) == (GROUP, "Service"):
            message = f"parentRefs.group defaults to {GROUP}, which has no Service; {_NOT_ATTACHED}"
            fix = 'set group: "" for a core Service'
            yield Finding(obj.ref, "ParentNotServed", message, f"{path}.group", Severity.WARNING, fix)
        yield from _rival_findings(view, obj, i)
    hostnames = getattr(obj.spec, "hostnames", ())
    if hostnames and has_service_parent(view, obj) and not any(parents.parents_of(obj)):
        message = "hostnames are ignored for Service parents: the destination of a request decides (Gateway API)"
        fix = "match the Host header instead, or remove them"
        yield Finding(obj.ref, "HostnamesIgnored", message, "spec.hostnames", Severity.WARNING, fix)


def service_indexes() -> Mapping[str, Callable[[parents.Route], Iterable[str]]]:
    """Return the indexes of routes with Services as parents: those that Istio's rules are in, and one of their own.

    `service_parent.routes` holds them all under `*`, and under each partition of their hosts.
    """
    return {
        "routes": _export_keys,
        "routes.by_namespace": _owner_keys,
        "route.host": _hosts,
        "service_parent.routes": _partition_keys,
    }


def _rival_findings(view: View, obj: parents.Route, i: int) -> Iterator[Finding]:
    """Report the ports at which GRPCRoutes apply instead; with none left the route is not accepted (Gateway API)."""
    ports = list(_ports_at(view, obj, i))
    rival_ports = [str(parent.port) for parent in ports if _has_rival(view, obj, parent)]
    if rival_ports:
        message = (
            f"port {', '.join(rival_ports)} of {ports[0].host} has GRPCRoutes of this namespace, which take precedence;"
            f" {_NOT_ATTACHED} there"
        )
        entirely = len(rival_ports) == len(ports)
        reason, severity = ("Conflicted", Severity.ERROR) if entirely else ("PortConflicted", Severity.WARNING)
        fix = "use one kind of route for a port"
        yield Finding(obj.ref, reason, message, f"spec.parentRefs[{i}]", severity, fix)


def _has_rival(view: View, obj: parents.Route, parent: ServiceParent) -> bool:
    """Tell whether GRPCRoutes apply to a port instead: consumers' replace consumers', and producers' producers'.

    Gateway API: at a port of a Service, GRPCRoutes take precedence over HTTPRoutes.
    """
    if obj.ref.kind == _GRPC:
        return False
    rivals = (route for route in view.by("route.host", parent.host) if route.ref.kind == _GRPC)
    neighbours = (rival for rival in rivals if rival.ref.namespace == obj.ref.namespace)
    return any((parent.host, parent.port) in view.memo(_attached_ports, rival.ref) for rival in neighbours)


def _attached_ports(view: View, ref: Ref) -> frozenset[tuple[str, int]]:
    """Return the ports of Services at which a route applies; none where it is not accepted (see mesh_rules)."""
    tables = (table for table in view.lowered(ref).tables if table.port)
    return frozenset((host, table.port) for table in tables for host in table.hosts)


def _ports_at(view: View, obj: parents.Route, i: int) -> Iterator[ServiceParent]:
    """Yield the ports that a parentRef selects, of those that serve HTTP."""
    ref = obj.spec.parent_refs[i]
    service = _service(view, parents.service_of(obj, ref))
    # Clients dial workloads of a headless Service directly, so there is no virtual host to attach to.
    if service is None or service.headless:
        return
    for port in _selected_ports(service, ref):
        if not port.protocol.is_l4:
            consumer = service.namespace != obj.ref.namespace
            yield ServiceParent(service.host, port.number, f"spec.parentRefs[{i}]", consumer)


def _problem(view: View, obj: parents.Route, target: Ref, ref: ParentReference) -> str:
    service = _service(view, target)
    if service is None:
        return f"{target} is an ExternalName, which has no address that clients connect to"
    if service.headless:
        return f"{target} is headless: clients connect to its workloads directly"
    if not exported(service.export_to, service.namespace, obj.ref.namespace):
        return f"{target} is exported to {', '.join(service.export_to)}, but not to namespace {obj.ref.namespace}"
    ports = _selected_ports(service, ref)
    if not ports:
        port_names = ", ".join(f"{port.number} {port.name}".strip() for port in service.ports)
        return f"{target} has no port of this number and name (its ports: {port_names or 'none'})"
    if all(port.protocol.is_l4 for port in ports):
        return f"this port of {target} does not serve HTTP, by its name or appProtocol"
    return ""


def _service(view: View, ref: Ref | None) -> Service | None:
    return find_service(view, ref) if ref is not None else None


def _selected_ports(service: Service, ref: ParentReference) -> list[Port]:
    """Return the ports that a parentRef selects; UDP ports do not count."""
    return [
        port
        for port in service.ports
        if ref.section_name in {"", port.name} and ref.port in {None, port.number} and port.protocol is not Protocol.UDP
    ]


def _hosts(obj: parents.Route) -> tuple[str, ...]:
    services = (parents.service_of(obj, ref) for ref in obj.spec.parent_refs)
    return tuple(dict.fromkeys(fqdn(ref.name, ref.namespace) for ref in services if ref is not None))


def _export_keys(obj: parents.Route) -> Iterator[str]:
    """Yield the keys under which clients find the route: all of them a producer's, its own namespace a consumer's."""
    services = [service for ref in obj.spec.parent_refs if (service := parents.service_of(obj, ref)) is not None]
    for export_to, consumer in ((_ALL, False), (_OWN, True)):
        exported_by = [service for service in services if (service.namespace != obj.ref.namespace) == consumer]
        if exported_by:
            hosts = (fqdn(service.name, service.namespace) for service in exported_by)
            yield from export_keys(export_to, obj.ref.namespace, hosts)


def _owner_keys(obj: parents.Route) -> Iterable[str]:
    hosts = _hosts(obj)
    return namespace_keys(obj.ref.namespace, hosts) if hosts else ()


def _partition_keys(obj: parents.Route) -> Iterator[str]:
    hosts = _hosts(obj)
    if hosts:
        yield "*"
        yield from {f"*|{partition_index(host)}" for host in hosts}
