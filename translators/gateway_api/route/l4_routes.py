"""TLSRoute, TCPRoute and UDPRoute -> StreamRoute: one rule for all that comes to the listeners that take the route."""

from collections.abc import Iterator
from typing import Protocol

import msgspec

from mirrorplane.api.actions import Destination
from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds.gateway_api.references import BackendRef, ParentReference
from mirrorplane.api.kinds.gateway_api.tls_route import TLS_ROUTE
from mirrorplane.api.kinds.gateway_api.udp_route import UDP_ROUTE
from mirrorplane.api.matches import StreamMatch
from mirrorplane.api.mesh import Lowered
from mirrorplane.api.meta import Object
from mirrorplane.api.routes import Order, RouteTable, StreamRoute
from mirrorplane.api.view import View
from mirrorplane.translators.gateway_api.attachment.attachments import Attachment, attached, parent_findings
from mirrorplane.translators.gateway_api.attachment.parent_validation import parent_rules
from mirrorplane.translators.gateway_api.attachment.parents import is_ours
from mirrorplane.translators.gateway_api.names import called
from mirrorplane.translators.gateway_api.route.backends import Use, backend_findings, destination_of, problem

_BACKENDS = "spec.rules[0].backendRefs"
"""The one rule's."""


class Rule(Protocol):
    """What the rules of these routes say."""

    @property
    def backend_refs(self) -> tuple[BackendRef, ...]:
        """Where it all goes, by weight."""
        ...


class Spec(Protocol):
    """What these routes say."""

    @property
    def parent_refs(self) -> tuple[ParentReference, ...]:
        """The parents."""
        ...

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The one rule."""
        ...


Route = Object[Spec]  # type: ignore[type-var]


def meaning_of(view: View, obj: Route) -> Lowered:
    """Return the rule as it holds at each listener that takes the route."""
    said = tuple(parent_findings(view, obj))
    if is_ours(view, obj):
        said += tuple(_missing(view, obj))
    tables = (_table(view, obj, one) for one in attached(view, obj) if one.holds)
    return Lowered(tables=tuple(tables), findings=said)


def stream_rules(obj: Route) -> Iterator[Finding]:
    """Refuse what the API server refuses."""
    yield from parent_rules(obj.ref, obj.spec.parent_refs)
    for i, to in enumerate(_backends(obj)):
        yield from backend_findings(obj.ref, f"{_BACKENDS}[{i}]", to)


def _backends(obj: Route) -> tuple[BackendRef, ...]:
    return obj.spec.rules[0].backend_refs


def _table(view: View, obj: Route, at: Attachment) -> RouteTable:
    rule = StreamRoute(
        match=StreamMatch(server_names=at.hosts if obj.ref.kind == TLS_ROUTE.key else ()),
        destinations=tuple(_destinations(view, obj)),
        ref=obj.ref,
        path="spec.rules[0]",
        datagrams=obj.ref.kind == UDP_ROUTE.key,
    )
    return RouteTable(
        ref=obj.ref,
        hosts=at.hosts,
        routes=(),
        streams=(rule,),
        gateways=(called(at.listener.owner),),
        created=obj.created,
        section=at.listener.said.name,
        order=Order.PRECISE,
    )


def _destinations(view: View, obj: Route) -> Iterator[Destination]:
    """Yield where it all goes. Those of weight 0 get nothing."""
    for i, said in enumerate(_backends(obj)):
        if said.weight:
            use = Use(obj.ref, f"{_BACKENDS}[{i}]")
            fails = bool(problem(view, use, said)[0])
            yield msgspec.structs.replace(destination_of(view, use, said), weight=said.weight, fails=fails)


def _missing(view: View, obj: Route) -> Iterator[Finding]:
    effect = "datagrams is dropped" if obj.ref.kind == UDP_ROUTE.key else "connections is closed"
    for i, said in enumerate(_backends(obj)):
        reason, field, sentence = problem(view, Use(obj.ref, f"{_BACKENDS}[{i}]"), said)
        if reason:
            yield Finding(obj.ref, reason, f"{sentence}: its share of the {effect}", f"{_BACKENDS}[{i}].{field}")
