"""Do the destinations and mirrors of routes exist? Envoy says nothing about a mirror that does not."""

from collections.abc import Iterator

from mirrorplane.api.actions import Destination
from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.mesh import Service
from mirrorplane.api.meta import Labels
from mirrorplane.api.proxy import ClientKey, Visibility
from mirrorplane.api.routes import Route, RouteTable, StreamRoute
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Check
from mirrorplane.translators.lookups import services
from mirrorplane.translators.lookups.policies import (
    cluster_policy,
    defined_for,
    missing,
    no_mirror,
    port_of,
    target_port,
)
from mirrorplane.translators.names import mirror_cluster

_REASONS = {"host": "HostNotFound", "port.number": "PortNotFound", "subset": "SubsetNotFound", "": "NotCallable"}
_EVERYWHERE = "*"


def table(view: View, said: RouteTable) -> tuple[Finding, ...]:
    """Return what is wrong with each destination and mirror, seen from the table's own namespace.

    What a delegate says is told to the delegate. A rule for some clients is looked at as one of them.
    """
    own = [(route, d) for route in _rules(said) if route.ref == said.ref for d in route.destinations if not d.fails]
    found = [f for route, to in own for f in _findings(view, said, route, to, mirror=False)]
    copies = [(route, m.destination) for route in said.routes for m in route.mirrors if m.ref == said.ref]
    found += [f for route, to in copies for f in _findings(view, said, route, to, mirror=True)]
    return tuple(dict.fromkeys(found))


def _rules(said: RouteTable) -> tuple[Route | StreamRoute, ...]:
    return (*said.routes, *said.streams)


def _findings(
    view: View, said: RouteTable, route: Route | StreamRoute, to: Destination, *, mirror: bool
) -> Iterator[Finding]:
    client = ClientKey(
        Visibility(said.ref.namespace), route.match.source_labels, router=services.MESH not in said.gateways
    )
    port, udp = target_port(view, client.visibility, to, 0), isinstance(route, StreamRoute) and route.datagrams
    problem = no_mirror(view, client, to, port) if mirror else missing(view, client, to, port, datagrams=udp)
    service = view.memo(services.service, client.visibility, to.host)
    clients = defined_for(view, client, to.host, to.subset) if problem and problem[0] == "subset" else ()
    if clients:
        yield _for_some(said, to, clients)
    elif problem is not None:
        yield _missing(said, to, problem, mirror=mirror)
    elif service is not None:
        yield from _warnings(said, to, service, mirror=mirror)
        if mirror and not cluster_policy(view, client, mirror_cluster(to.host, port, to.subset)).uses_tls:
            yield from _not_http(said, to, service)


def _missing(said: RouteTable, to: Destination, problem: tuple[str, str], *, mirror: bool) -> Finding:
    field, sentence = problem
    effect = "nothing is copied; the route itself is not affected" if mirror else "requests sent there get 503"
    reason = ("Mirror" if mirror else "") + _REASONS[field]
    path = f"{to.path}.{field}".rstrip(".")
    return Finding(said.ref, reason, f"{sentence}: {effect}", path, fix=_fix(field, to))


def _for_some(said: RouteTable, to: Destination, clients: Labels) -> Finding:
    shown = ", ".join(f"{key}={value}" for key, value in clients)
    message = f"the subset {to.subset} of {to.host} is defined only for clients with {shown}: to others it is missing"
    fix = f"define it in a DestinationRule without workloadSelector too, or give the rule sourceLabels {shown}"
    return Finding(said.ref, "SubsetForSome", message, f"{to.path}.subset", Severity.WARNING, fix)


def _warnings(said: RouteTable, to: Destination, service: Service, *, mirror: bool) -> Iterator[Finding]:
    """Warn of what exists and yet may not do what is meant."""
    what = "copies" if mirror else "requests"
    if not to.port and len(service.ports) > 1:
        ports = ", ".join(str(p.number) for p in service.ports)
        message = (
            f"{to.host} has the ports {ports} and none is named: {what} go to the port the client called, if it is one"
        )
        fix = "name one of the service's ports"
        yield Finding(said.ref, "PortAmbiguous", message, f"{to.path}.port", Severity.WARNING, fix)
    if _EVERYWHERE in said.export_to and _EVERYWHERE not in service.export_to:
        message = f"{to.host} is exported only to {', '.join(service.export_to)}: to other clients it is missing"
        fix = "export both to the same namespaces"
        yield Finding(said.ref, "NotVisibleToAll", message, f"{to.path}.host", Severity.WARNING, fix)


def _not_http(said: RouteTable, to: Destination, service: Service) -> Iterator[Finding]:
    port = port_of(service, to.port or (service.ports[0].number if service.ports else 0))
    if port is not None and port.protocol.is_l4:
        message = f"port {port.number} of {to.host} does not say that it is HTTP, and a copy is plain HTTP"
        fix = "name a port whose name or appProtocol says http"
        yield Finding(said.ref, "MirrorNotHttp", message, f"{to.path}.port", Severity.WARNING, fix)


def _fix(field: str, to: Destination) -> str:
    if field == "host":
        return "correct the host, or create the Service"
    if field == "subset":
        return f"add the subset {to.subset} to a DestinationRule for {to.host}"
    return "name one of the service's ports" if field else f"change the policy of {to.host}"


CHECK = Check(table=table)
