"""TLSRoute, TCPRoute and UDPRoute -> L4Route: one rule for all traffic of the listeners that accept the route."""

from collections.abc import Iterator
from typing import Protocol

import msgspec

from mirrorplane.api.actions import Destination
from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds.gateway_api.references import BackendRef, ParentReference
from mirrorplane.api.kinds.gateway_api.tls_route import TLS_ROUTE
from mirrorplane.api.kinds.gateway_api.udp_route import UDP_ROUTE
from mirrorplane.api.matches import L4Match
from mirrorplane.api.mesh import Lowered
from mirrorplane.api.meta import Object
from mirrorplane.api.routes import L4Route, Order, RouteTable
from mirrorplane.api.view import View
from mirrorplane.translators.gateway_api.attachment.attachments import Attachment, attachments_of, parent_findings
from mirrorplane.translators.gateway_api.attachment.parents import has_served_parent, parent_ref_findings
from mirrorplane.translators.gateway_api.names import binding_name
from mirrorplane.translators.gateway_api.route.backends import (
    Referrer,
    backend_findings,
    backend_problem,
    destination_of,
)

_BACKENDS = "spec.rules[0].backendRefs"
"""L4 routes have exactly one rule."""


class Rule(Protocol):
    """The rule of an L4 route of any kind."""

    @property
    def backend_refs(self) -> tuple[BackendRef, ...]:
        """The backends, each with its weight."""
        ...


class Spec(Protocol):
    """The spec of an L4 route of any kind."""

    @property
    def parent_refs(self) -> tuple[ParentReference, ...]:
        """The parents."""
        ...

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The one rule."""
        ...


Route = Object[Spec]  # type: ignore[type-var]


def lower_l4_route(view: View, obj: Route) -> Lowered:
    """Return the rule as it applies at each listener that the route is attached to."""
    findings = tuple(parent_findings(view, obj))
    if has_served_parent(view, obj):
        findings += tuple(_backend_findings(view, obj))
    tables = (_table(view, obj, attachment) for attachment in attachments_of(view, obj) if attachment.is_active)
    return Lowered(tables=tuple(tables), findings=findings)


def l4_route_findings(obj: Route) -> Iterator[Finding]:
    """Report what the API server rejects."""
    yield from parent_ref_findings(obj.ref, obj.spec.parent_refs)
    for i, backend in enumerate(_backends(obj)):
        yield from backend_findings(obj.ref, f"{_BACKENDS}[{i}]", backend)


def _backends(obj: Route) -> tuple[BackendRef, ...]:
    return obj.spec.rules[0].backend_refs


def _table(view: View, obj: Route, attachment: Attachment) -> RouteTable:
    rule = L4Route(
        # TCP and UDP routes match by the port of their listener alone.
        match=L4Match(server_names=attachment.hosts if obj.ref.kind == TLS_ROUTE.key else ()),
        destinations=tuple(_destinations(view, obj)),
        ref=obj.ref,
        path="spec.rules[0]",
        udp=obj.ref.kind == UDP_ROUTE.key,
    )
    return RouteTable(
        ref=obj.ref,
        hosts=attachment.hosts,
        routes=(),
        l4_routes=(rule,),
        gateways=(binding_name(attachment.listener.parent),),
        created=obj.created,
        section_name=attachment.listener.spec.name,
        order=Order.PRECISE,
    )


def _destinations(view: View, obj: Route) -> Iterator[Destination]:
    """Yield the destinations; a backend of weight 0 gets no traffic and is none."""
    for i, backend in enumerate(_backends(obj)):
        if backend.weight:
            referrer = Referrer(obj.ref, f"{_BACKENDS}[{i}]")
            fails = backend_problem(view, referrer, backend) is not None
            destination = destination_of(view, referrer, backend)
            yield msgspec.structs.replace(destination, weight=backend.weight, fails=fails)


def _backend_findings(view: View, obj: Route) -> Iterator[Finding]:
    effect = "datagrams is dropped" if obj.ref.kind == UDP_ROUTE.key else "connections is closed"
    for i, backend in enumerate(_backends(obj)):
        path = f"{_BACKENDS}[{i}]"
        if problem := backend_problem(view, Referrer(obj.ref, path), backend):
            message = f"{problem.message}; its share of {effect}"
            yield Finding(obj.ref, problem.reason, message, f"{path}.{problem.field}", fix=problem.fix)
