"""Services as parents of routes: what clients in the mesh call, and whose routes hold for which of them (GAMMA).

A route of the Service's own namespace is the producer's, and holds for all clients. One of another namespace is a
consumer's, and holds for the clients of its own namespace only.
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
from mirrorplane.translators.partitions import export_keys, namespace_keys, shard

_NOWHERE = "no rule holds there"
_ALL, _OWN = ("*",), (".",)
_GRPC = f"{GROUP}/GRPCRoute"


class Frontend(msgspec.Struct, frozen=True):
    """A port of a Service that a route is attached to; `path` is the field that says so, `consumer` whose route it is.

    Its rules hold for clients of the route's own namespace then, and else for all.
    """

    host: str
    port: int
    path: str
    consumer: bool


def is_served(view: View, obj: parents.Route, parent: ParentReference) -> bool:
    """Tell whether a parent is a Service that is there: whether a route holds at it is for us to say."""
    ref = parents.service_of(obj, parent)
    return ref is not None and view.get(ref) is not None


def is_meshed(view: View, obj: parents.Route) -> bool:
    """Tell whether any of a route's parents is such a Service."""
    return any(is_served(view, obj, parent) for parent in obj.spec.parent_refs)


def frontends(view: View, obj: parents.Route) -> tuple[Frontend, ...]:
    """Return the ports of Services that a route is attached to, each once, in the order of its parents."""
    found: dict[tuple[str, int], Frontend] = {}
    for i in range(len(obj.spec.parent_refs)):
        for one in _of_parent(view, obj, i):
            if not _is_rivalled(view, obj, one):
                found.setdefault((one.host, one.port), one)
    return tuple(found.values())


def tables_at(view: View, obj: parents.Route, made: Callable[[Frontend], Iterable[Route]]) -> Iterator[RouteTable]:
    """Yield a table for each port that a route is attached to, with the rules as they are made for that port."""
    for at in frontends(view, obj):
        yield RouteTable(
            ref=obj.ref,
            hosts=(at.host,),
            routes=tuple(made(at)),
            export_to=_OWN if at.consumer else _ALL,
            created=obj.created,
            order=Order.PRECISE,
            port=at.port,
            path=at.path,
        )


def frontend_findings(view: View, obj: parents.Route) -> Iterator[Finding]:
    """Say at which Services no rule holds, and why."""
    for i, parent in enumerate(obj.spec.parent_refs):
        ref, path = parents.service_of(obj, parent), f"spec.parentRefs[{i}]"
        if ref is not None and view.get(ref) is None:
            message = f"there is no {ref}: {_NOWHERE}"
            fix = "correct the name, or create it"
            yield Finding(obj.ref, "ParentNotFound", message, path, Severity.WARNING, fix)
        elif ref is not None and (problem := _problem(view, obj, ref, parent)):
            yield Finding(obj.ref, "NoMatchingParent", f"{problem}: {_NOWHERE}", path)
        elif (parent.group, parent.kind) == (GROUP, "Service"):
            message = f"there is no Service in {GROUP}, which is what is meant where no group is said: {_NOWHERE}"
            yield Finding(obj.ref, "ParentNotServed", message, f"{path}.group", Severity.WARNING, 'say group: ""')
        yield from _rival_findings(view, obj, i)
    hostnames = getattr(obj.spec, "hostnames", ())
    if hostnames and is_meshed(view, obj) and not any(parents.owners_of(obj)):
        message = "at a Service hostnames are not looked at: what was called decides (Gateway API)"
        fix = "match the header Host, or leave them out"
        yield Finding(obj.ref, "HostnamesIgnored", message, "spec.hostnames", Severity.WARNING, fix)


def indexes() -> Mapping[str, Callable[[parents.Route], Iterable[str]]]:
    """Return the indexes by which what routes say in the mesh is found; those of Istio's rules, and one of their own.

    `frontend.routes` holds those with Services as parents, alone and by each shard of their hosts.
    """
    return {"routes": _places, "routes.of": _owners, "route.host": _hosts, "frontend.routes": _shards}


def _rival_findings(view: View, obj: parents.Route, i: int) -> Iterator[Finding]:
    """Say at which ports routes of another kind hold; a route that is left with none is not accepted (Gateway API)."""
    found = list(_of_parent(view, obj, i))
    lost = [str(one.port) for one in found if _is_rivalled(view, obj, one)]
    if lost:
        message = (
            f"GRPCRoutes of its namespace are for port {', '.join(lost)} of {found[0].host}, and go before: {_NOWHERE}"
        )
        whole = len(lost) == len(found)
        reason, severity = ("Conflicted", Severity.ERROR) if whole else ("PortConflicted", Severity.WARNING)
        fix = "use routes of one kind for a port"
        yield Finding(obj.ref, reason, message, f"spec.parentRefs[{i}]", severity, fix)


def _is_rivalled(view: View, obj: parents.Route, at: Frontend) -> bool:
    """Tell whether routes of another kind hold instead, consumers' for consumers' and producers' for producers'.

    Gateway API: for a port of a Service GRPCRoutes go before HTTPRoutes.
    """
    if obj.ref.kind == _GRPC:
        return False
    others = (one for one in view.by("route.host", at.host) if one.ref.kind == _GRPC)
    alike = (one for one in others if one.ref.namespace == obj.ref.namespace)
    return any((f.host, f.port) == (at.host, at.port) for one in alike for f in frontends(view, one))


def _of_parent(view: View, obj: parents.Route, i: int) -> Iterator[Frontend]:
    """Yield the ports that a parent stands for, and that take HTTP."""
    parent = obj.spec.parent_refs[i]
    service = _service(view, parents.service_of(obj, parent))
    if service is None or service.headless:
        return
    for port in _named(service, parent):
        if not port.protocol.is_l4:
            consumer = service.namespace != obj.ref.namespace
            yield Frontend(service.host, port.number, f"spec.parentRefs[{i}]", consumer)


def _problem(view: View, obj: parents.Route, ref: Ref, parent: ParentReference) -> str:
    service = _service(view, ref)
    if service is None:
        return f"{ref} is an ExternalName, so nobody calls it by an address of its own"
    if service.headless:
        return f"{ref} is headless: clients call its workloads, and not the Service"
    if not exported(service.export_to, service.namespace, obj.ref.namespace):
        return f"{ref} is exported to {', '.join(service.export_to)}, and not to namespace {obj.ref.namespace}"
    named = _named(service, parent)
    if not named:
        known = ", ".join(f"{p.number} {p.name}".strip() for p in service.ports)
        return f"{ref} has no port of this number and name (it has {known or 'none'})"
    if all(port.protocol.is_l4 for port in named):
        return f"{ref} does not take HTTP there, as the name or appProtocol of its port says"
    return ""


def _service(view: View, ref: Ref | None) -> Service | None:
    return next(iter(view.lowered(ref).services), None) if ref is not None else None


def _named(service: Service, parent: ParentReference) -> list[Port]:
    """Return the ports that a parent reference names; UDP ports do not count."""
    return [
        port
        for port in service.ports
        if parent.section_name in {"", port.name}
        and parent.port in {None, port.number}
        and port.protocol is not Protocol.UDP
    ]


def _hosts(obj: parents.Route) -> tuple[str, ...]:
    refs = (parents.service_of(obj, parent) for parent in obj.spec.parent_refs)
    return tuple(dict.fromkeys(fqdn(ref.name, ref.namespace) for ref in refs if ref is not None))


def _places(obj: parents.Route) -> Iterator[str]:
    """Yield where others find the route as producers' and its own namespace as consumers'."""
    for export_to, consumer in ((_ALL, False), (_OWN, True)):
        refs = (parents.service_of(obj, parent) for parent in obj.spec.parent_refs)
        found = [ref for ref in refs if ref is not None and (ref.namespace != obj.ref.namespace) == consumer]
        if found:
            yield from export_keys(export_to, obj.ref.namespace, (fqdn(ref.name, ref.namespace) for ref in found))


def _owners(obj: parents.Route) -> Iterable[str]:
    hosts = _hosts(obj)
    return namespace_keys(obj.ref.namespace, hosts) if hosts else ()


def _shards(obj: parents.Route) -> Iterator[str]:
    hosts = _hosts(obj)
    if hosts:
        yield "*"
        yield from {f"*|{shard(host)}" for host in hosts}
