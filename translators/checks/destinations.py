"""Do the destinations and mirrors of routes exist? Envoy reports nothing about a mirror that does not."""

from collections.abc import Iterator

import msgspec

from mirrorplane.api.actions import Destination
from mirrorplane.api.attachments import RouteAttachment
from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.mesh import Resolution, Service
from mirrorplane.api.meta import Labels, Ref
from mirrorplane.api.proxy import ClientKey, Visibility
from mirrorplane.api.routes import L4Route, Route, RouteTable
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Check
from mirrorplane.translators.lookups import services
from mirrorplane.translators.lookups.aliases import resolve_destination
from mirrorplane.translators.lookups.endpoints import has_ready_endpoint, port_of
from mirrorplane.translators.lookups.policies import cluster_policy, find_subset, subset_clients, target_port
from mirrorplane.translators.lookups.reachability import DestinationField, Problem, Traffic, unreachable
from mirrorplane.translators.names import mirror_cluster

_REASONS = {
    DestinationField.HOST: "HostNotFound",
    DestinationField.PORT: "PortNotFound",
    DestinationField.SUBSET: "SubsetNotFound",
    DestinationField.POLICY: "NotCallable",
}
_EFFECTS = {
    Traffic.REQUESTS: "requests sent there get 503",
    Traffic.PASSTHROUGH: "connections sent there are closed",
    Traffic.MIRROR: "nothing is mirrored; the route itself is not affected",
    Traffic.DATAGRAMS: "datagrams sent there are dropped",
}
_EVERYWHERE = "*"


class _Use(msgspec.Struct, frozen=True):
    """A destination as a client of a table reaches it, and the object that names it."""

    about: Ref
    table: RouteTable
    client: ClientKey
    destination: Destination
    traffic: Traffic


def table(view: View, table: RouteTable) -> tuple[Finding, ...]:
    """Return what is wrong with each destination and mirror, as the table's clients see them.

    A delegate's rules are reported at the delegate. A rule for some clients is checked as one of them.
    """
    findings = (finding for use in _uses(view, table) for finding in _findings(view, use))
    return tuple(dict.fromkeys(findings))


def attachment(view: View, attachment: RouteAttachment) -> tuple[Finding, ...]:
    """Return what is wrong with each mirror that an object attaches, as clients of the routes that it targets see it.

    Routes without a table of their own, as a delegate's, are checked as a client of their namespace.
    """
    tables = view.lowered(attachment.target).tables or (RouteTable(attachment.target, (), (), export_to=(".",)),)
    findings = (
        finding
        for table in tables
        for use in _attached_uses(view, attachment, table)
        for finding in _findings(view, use)
    )
    return tuple(dict.fromkeys(findings))


def _attached_uses(view: View, attachment: RouteAttachment, table: RouteTable) -> Iterator[_Use]:
    namespace = _client_namespace(view, table)
    router = services.MESH not in table.gateways
    default = ClientKey(Visibility(namespace), holds_secrets=router, router=router)
    routes = (route for route in table.routes if attachment.section in {"", route.name})
    for client in dict.fromkeys(_client(table, namespace, route) for route in routes) or (default,):
        for mirror in attachment.effect.mirrors:
            destination = resolve_destination(view, mirror.destination)
            yield _Use(mirror.ref, table, client, destination, Traffic.MIRROR)


def _uses(view: View, table: RouteTable) -> Iterator[_Use]:
    namespace = _client_namespace(view, table)
    rules: tuple[Route | L4Route, ...] = (*table.routes, *table.l4_routes)
    for rule in rules:
        if rule.ref != table.ref:
            continue
        client = _client(table, namespace, rule)
        traffic = _traffic(view, table, rule)
        yield from (
            _Use(table.ref, table, client, destination, traffic)
            for destination in rule.destinations
            if not destination.fails
        )
    for route in table.routes:
        client = _client(table, namespace, route)
        mirrors = (mirror for mirror in route.mirrors if mirror.ref == table.ref)
        yield from (_Use(table.ref, table, client, mirror.destination, Traffic.MIRROR) for mirror in mirrors)


def _traffic(view: View, table: RouteTable, rule: Route | L4Route) -> Traffic:
    if isinstance(rule, Route):
        return Traffic.REQUESTS
    if rule.udp:
        return Traffic.DATAGRAMS
    terminated = bool(table.section_name) and view.memo(_terminates_tls, table.gateways[0], table.section_name)
    return Traffic.PASSTHROUGH if rule.tls and not terminated else Traffic.REQUESTS


def _terminates_tls(view: View, gateway: str, section_name: str) -> bool:
    gateways = (g for obj in view.by("gateway.name", gateway) for g in view.lowered(obj.ref).gateways)
    servers = (server for g in gateways if g.name == gateway for server in g.servers)
    return any(server.termination is not None for server in servers if server.section_name == section_name)


def _client(table: RouteTable, namespace: str, rule: Route | L4Route) -> ClientKey:
    """Return a client of a rule. Routers are taken to be authenticated, and so are sent their Secrets."""
    router = services.MESH not in table.gateways
    return ClientKey(Visibility(namespace), rule.match.source_labels, holds_secrets=router, router=router)


def _client_namespace(view: View, table: RouteTable) -> str:
    """Return the namespace that the table's requests are sent from.

    Gateway API: a Gateway's routers run in its own namespace, so what is exported to that decides. Istio's Gateways
    select routers in any namespace: there, as in the mesh, the table's own stands for all.
    """
    if not table.section_name:
        return table.ref.namespace
    return view.memo(_router_namespace, table.gateways[0]) or table.ref.namespace


def _router_namespace(view: View, gateway: str) -> str:
    namespaces = (
        g.router_namespace for obj in view.by("gateway.name", gateway) for g in view.lowered(obj.ref).gateways
    )
    return next(namespaces, "")


def _findings(view: View, use: _Use) -> Iterator[Finding]:
    destination, client = use.destination, use.client
    port = target_port(view, client.visibility, destination, 0)
    problem = unreachable(view, client, destination, port, use.traffic)
    by_subset = problem is not None and problem.field is DestinationField.SUBSET
    clients = subset_clients(view, client, destination.host, destination.subset) if by_subset else ()
    service = view.memo(services.find_service, client.visibility, destination.host)
    if clients:
        yield _for_some(use, clients)
    elif problem is not None:
        yield _unreachable(view, use, problem, service)
    elif service is not None:
        yield from _unresolved(use, service)
        yield from _warnings(use, service)
        cluster = mirror_cluster(destination.host, port, destination.subset)
        if use.traffic is Traffic.MIRROR and not cluster_policy(view, client, cluster).uses_tls:
            yield from _not_http(use, service)
        if use.traffic is Traffic.MIRROR:
            yield from _no_endpoints(view, use, service, port)


def _unreachable(view: View, use: _Use, problem: Problem, service: Service | None) -> Finding:
    reason = ("Mirror" if use.traffic is Traffic.MIRROR else "") + _REASONS[problem.field]
    message = f"{problem.message}: {_EFFECTS[use.traffic]}"
    fix = _fix(problem.field, use.destination)
    if problem.field is DestinationField.HOST and (full_name := _full_name(view, use)):
        fix = f"write {full_name}: names with dots are not completed"
    if service is not None and problem.field is DestinationField.PORT and not service.ports:
        fix = f"add spec.ports to {service.ref}"  # usual for an ExternalName, of which DNS needs none
    return Finding(use.about, reason, message, problem.path(use.destination), fix=fix)


def _full_name(view: View, use: _Use) -> str:
    """Return the service that `next.shop` or `next.shop.svc` leaves incomplete, or "". Istio completes no dots."""
    host, visibility = use.destination.host, use.client.visibility
    candidates = (f"{host}{suffix}" for suffix in (".svc.cluster.local", ".cluster.local") if "." in host)
    return next((name for name in candidates if view.memo(services.find_service, visibility, name)), "")


def _unresolved(use: _Use, service: Service) -> Iterator[Finding]:
    """Report a service that only proxies with interception reach: routers never have it."""
    if use.client.router and service.resolution is Resolution.NONE:
        message = (
            f"{use.destination.host} has resolution NONE, so requests go to the address that the client dialled, which"
            f" routers do not know: {_EFFECTS[use.traffic]}"
        )
        path, fix = f"{use.destination.path}.{use.destination.fields.host}", f"set resolution: DNS in {service.ref}"
        yield Finding(use.about, "NoAddress", message, path, fix=fix)


def _for_some(use: _Use, clients: Labels) -> Finding:
    labels, subset = ", ".join(f"{key}={value}" for key, value in clients), use.destination.subset
    message = f"only clients with {labels} have the subset {subset} of {use.destination.host}; others get 503"
    fix = f"define it in a DestinationRule without workloadSelector too, or give the rule sourceLabels {labels}"
    return _warning(use, "SubsetForSome", use.destination.fields.subset, message, fix)


def _warnings(use: _Use, service: Service) -> Iterator[Finding]:
    """Warn of what exists and yet may not do what its author expects."""
    destination, table = use.destination, use.table
    requests = "mirrored requests" if use.traffic is Traffic.MIRROR else "requests"
    if not destination.port and len(service.ports) > 1:
        ports = ", ".join(str(port.number) for port in service.ports)
        message = f"{destination.host} has the ports {ports}; {requests} go to the one that the client called"
        yield _warning(use, "PortAmbiguous", "port", message, "name one of the service's ports")
    if not table.section_name and _EVERYWHERE in table.export_to and _EVERYWHERE not in service.export_to:
        namespaces = ", ".join(service.export_to)
        message = f"{destination.host} is exported only to {namespaces}; clients elsewhere do not see it"
        yield _warning(use, "NotVisibleToAll", destination.fields.host, message, "export both to the same namespaces")


def _not_http(use: _Use, service: Service) -> Iterator[Finding]:
    first = service.ports[0].number if service.ports else 0
    port = port_of(service, use.destination.port or first)
    if port is not None and port.protocol.is_l4:
        name = f"port {port.number} of {use.destination.host}"
        message = f"{name} is not declared as HTTP, but mirrored requests are plain HTTP"
        yield _warning(use, "MirrorNotHttp", "port", message, "name a port whose name or appProtocol says http")


def _no_endpoints(view: View, use: _Use, service: Service, number: int) -> Iterator[Finding]:
    """Warn of a mirror without a ready endpoint. A host that DNS resolves is taken to have some."""
    destination = use.destination
    subset = find_subset(view, use.client, destination.host, destination.subset) if destination.subset else None
    labels = subset.labels if subset is not None else ()
    numbers = (number,) if number else tuple(port.number for port in service.ports)
    resolved = service.resolution is not Resolution.ENDPOINTS and not service.lists_endpoints
    if resolved or any(view.memo(has_ready_endpoint, service.ref, service.host, port, labels) for port in numbers):
        return
    of_subset = f"subset {destination.subset} of " if destination.subset else ""
    message = f"{of_subset}{destination.host} has no ready endpoint: no copy arrives until it has one"
    fix = "start its workloads, or correct the labels that select them"
    yield _warning(use, "MirrorHasNoEndpoints", destination.fields.host, message, fix)


def _warning(use: _Use, reason: str, field: str, message: str, fix: str) -> Finding:
    return Finding(use.about, reason, message, f"{use.destination.path}.{field}", Severity.WARNING, fix)


def _fix(field: DestinationField, destination: Destination) -> str:
    return {
        DestinationField.HOST: f"correct the {destination.fields.host}, or create the Service and export it",
        DestinationField.PORT: "name one of the service's ports",
        DestinationField.SUBSET: f"add the subset {destination.subset} to a DestinationRule for {destination.host}",
        DestinationField.POLICY: f"change the policy of {destination.host}",
    }[field]


CHECK = Check(table=table, attachment=attachment)
