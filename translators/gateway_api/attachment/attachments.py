"""Where a route is attached: to which listeners of which Gateways and ListenerSets, and with which hosts there."""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.gateways import EVERYWHERE, includes, narrower
from mirrorplane.api.hosts import candidates
from mirrorplane.api.kinds.gateway_api import GROUP
from mirrorplane.api.kinds.gateway_api.references import ParentReference
from mirrorplane.api.meta import Ref
from mirrorplane.api.view import View
from mirrorplane.translators.gateway_api.attachment.parents import (
    Route,
    hosts_of,
    kind_of,
    parent_of,
    service_of,
    serving_gateway,
)
from mirrorplane.translators.gateway_api.gateway.listeners import (
    Listener,
    ListenerVerdict,
    allows_routes,
    is_more_specific,
    verdicts_for,
)
from mirrorplane.translators.gateway_api.names import binding_name

_HOSTS_TAKEN, _KIND_REFUSED = "HostsTaken", "KindRefused"
_NOT_ALLOWED = "NotAllowedByListeners"
# The rank that Istio gives them, where listeners refuse a route for different reasons; but a listener for another
# kind of route says less than one for this kind.
_REASONS = (_HOSTS_TAKEN, _NOT_ALLOWED, "NoMatchingListenerHostname", _KIND_REFUSED, "NoMatchingParent")
"""Why a listener does not accept a route, the most telling reason first. All but ours are Gateway API's."""
_MESSAGES = {
    _HOSTS_TAKEN: "{rival} is older and has some of its hostnames here; HTTPRoutes and GRPCRoutes must not share any",
    _NOT_ALLOWED: "no listener that it refers to allows {kind}s from namespace {namespace}",
    _KIND_REFUSED: "no listener that it refers to accepts {kind}s, by its protocol or its allowedRoutes.kinds",
    "NoMatchingListenerHostname": "no listener that it refers to serves one of its hostnames",
    "NoMatchingParent": "{parent} has no listener of this sectionName and port",
}
_FIXES = {
    _HOSTS_TAKEN: "give them distinct hostnames, or use one kind of route",
    _NOT_ALLOWED: "set allowedRoutes.namespaces of the listener",
    _KIND_REFUSED: "attach it to a listener for this kind of route",
}
_API_REASONS = {
    # One reason for a kind, a namespace, and a host that another kind of route has.
    _HOSTS_TAKEN: "NotAllowedByListeners",
    _KIND_REFUSED: "NotAllowedByListeners",
    _NOT_ALLOWED: "NotAllowedByListeners",
    "NoMatchingListenerHostname": "NoMatchingListenerHostname",
    "NoMatchingParent": "NoMatchingParent",
}
_HTTP, _GRPC = (GROUP, "HTTPRoute"), (GROUP, "GRPCRoute")


class Refusal(NamedTuple):
    """Why a listener does not accept a route, and the older route that keeps it out, if it is one."""

    reason: str
    rival: Ref | None = None


class Attachment(msgspec.Struct, frozen=True):
    """A listener that accepts a route, and the hosts that the route gets there.

    No hosts: more specific listeners own them all. `served`: the listener is.
    """

    gateway: Ref
    listener: Listener
    hosts: tuple[str, ...]
    served: bool

    @property
    def is_active(self) -> bool:
        """Whether the route gets any traffic there."""
        return self.served and bool(self.hosts)


def attachments_of(view: View, obj: Route) -> tuple[Attachment, ...]:
    """Return the listeners that accept a route, each once."""
    by_listener = {
        (attachment.listener.parent, attachment.listener.spec.name): attachment
        for ref in obj.spec.parent_refs
        for attachment in _attachments_at(view, obj, ref)
        if isinstance(attachment, Attachment)
    }
    return tuple(by_listener.values())


def parent_findings(view: View, obj: Route) -> Iterator[Finding]:
    """Report the parents that do not accept the route; those of other controllers are left to them."""
    if not obj.spec.parent_refs:
        message = "parentRefs is empty; the route is not attached"
        yield Finding(obj.ref, "NoParents", message, "spec.parentRefs", Severity.WARNING, "add a Gateway or a Service")
    for i, ref in enumerate(obj.spec.parent_refs):
        path, parent = f"spec.parentRefs[{i}]", parent_of(obj, ref)
        if parent is not None:
            yield from _unattached(view, obj, path, ref)
        elif ref.group == "" and service_of(obj, ref) is None:
            message = f"{ref.kind} is not supported as a parent of {kind_of(obj)[1]}s; the route is not attached"
            yield Finding(obj.ref, "ParentNotServed", message, f"{path}.kind", fix="use a Gateway")


def _attachments_at(view: View, obj: Route, ref: ParentReference) -> Iterator[Attachment | Refusal]:
    """Yield, for each listener that a parentRef selects, its attachment or the reason why it does not accept the route.

    Nothing for a parent that is missing, or another controller's.
    """
    parent = parent_of(obj, ref)
    gateway = serving_gateway(view, parent) if parent is not None else None
    if parent is None or gateway is None:
        return
    verdicts: tuple[ListenerVerdict, ...] = view.memo(verdicts_for, gateway, parent)
    selected = [
        candidate for candidate in verdicts if candidate.listener.parent == parent and _selects(ref, candidate.listener)
    ]
    for verdict in selected:
        yield _attachment(view, obj, gateway, verdict, verdicts)
    if not selected:
        yield Refusal("NoMatchingParent")


def _attachment(
    view: View, obj: Route, gateway: Ref, verdict: ListenerVerdict, verdicts: tuple[ListenerVerdict, ...]
) -> Attachment | Refusal:
    listener, kind = verdict.listener, kind_of(obj)
    hosts = tuple(_shared_hosts(obj, listener))
    if kind not in verdict.kinds:
        return Refusal(_KIND_REFUSED)
    # For a listener of the right kind a missing hostname is the more useful reason.
    if not hosts:
        return Refusal("NoMatchingListenerHostname")
    if not allows_routes(view, verdict, kind, obj.ref.namespace):
        return Refusal(_NOT_ALLOWED)
    rival = _older_rival(view, obj, listener, hosts)
    if rival is not None:
        return Refusal(_HOSTS_TAKEN, rival)
    own_hosts = tuple(host for host in hosts if not _is_taken(verdicts, listener, host))
    return Attachment(gateway, listener, own_hosts, verdict.served)


def _selects(ref: ParentReference, listener: Listener) -> bool:
    return ref.section_name in {"", listener.spec.name} and ref.port in {None, listener.spec.port}


def _shared_hosts(obj: Route, listener: Listener) -> Iterator[str]:
    """Yield the hosts of both a route and a listener: the narrower one of two that meet."""
    meeting = (narrower(listener.host, host) for host in hosts_of(obj))
    # A hostname that does not meet the listener's is dropped without a word (Gateway API).
    yield from dict.fromkeys(host for host in meeting if host)


def _is_taken(verdicts: tuple[ListenerVerdict, ...], listener: Listener, host: str) -> bool:
    """Tell whether a more specific listener of the port serves a host: its requests then reach only that one."""
    return any(
        # Not `served`: a listener whose certificate is missing keeps its hosts, or they would be served by the wider
        # one.
        verdict.accepted and is_more_specific(verdict.listener, listener) and includes(verdict.listener.host, host)
        for verdict in verdicts
    )


def _older_rival(view: View, obj: Route, listener: Listener, hosts: tuple[str, ...]) -> Ref | None:
    """Return the oldest route of the other kind that is attached to a listener for one of these hosts.

    Gateway API: an HTTPRoute and a GRPCRoute must not share a host; the oldest wins, then the first by
    `namespace/name`. Only accepted routes can conflict, so each is compared with older ones, and these with still older
    ones. Asking the oldest first keeps that recursion shallow: those are memoised before others ask for them.
    """
    older = (rival for rival in _rivals(view, obj, listener, hosts) if _age(rival) < _age(obj))
    attached = (
        rival.ref
        for rival in sorted(older, key=_age)
        if _overlaps(rival, listener, hosts) and listener in view.memo(_listeners_of, rival.ref)
    )
    return next(attached, None)


def _rivals(view: View, obj: Route, listener: Listener, hosts: tuple[str, ...]) -> Iterator[Route]:
    """Yield the routes of the other kind that may share hosts, looked up by host unless that is a wildcard."""
    rival_kind = {_HTTP: _GRPC, _GRPC: _HTTP}.get(kind_of(obj))
    if rival_kind is None:
        return
    parent = binding_name(listener.parent)
    wildcard = any(host.startswith(EVERYWHERE) for host in hosts)
    keys = [parent] if wildcard else [f"{parent}|{name}" for host in hosts for name in candidates(host)]
    by_ref = {route.ref: route for key in keys for route in _indexed(view, rival_kind, key, wildcard=wildcard)}
    yield from (route for route in by_ref.values() if kind_of(route) == rival_kind)


def _indexed(view: View, kind: tuple[str, str], key: str, *, wildcard: bool) -> tuple[Route, ...]:
    """Return the routes at a parent, or at one of its hosts. GRPCRoutes are few, and have an index of their own."""
    if kind == _GRPC:
        return view.by("gateway.calls", key)
    return view.by("gateway.routes", key) if wildcard else view.by("gateway.host", key)


def _overlaps(obj: Route, listener: Listener, hosts: tuple[str, ...]) -> bool:
    return any(narrower(host, rival_host) for host in _shared_hosts(obj, listener) for rival_host in hosts)


def _listeners_of(view: View, ref: Ref) -> tuple[Listener, ...]:
    obj = view.get(ref)
    return tuple(attachment.listener for attachment in attachments_of(view, obj)) if obj is not None else ()


def _age(obj: Route) -> tuple[str, str, str]:
    return obj.created, f"{obj.ref.namespace}/{obj.ref.name}", obj.ref.kind


def _unattached(view: View, obj: Route, path: str, ref: ParentReference) -> Iterator[Finding]:
    parent = parent_of(obj, ref)
    if parent is not None and serving_gateway(view, parent) is None and view.get(parent) is None:
        message = f"{parent} not found; the route is not attached"
        yield Finding(obj.ref, "ParentNotFound", message, path, Severity.WARNING, "correct the name, or create it")
        return
    results = list(_attachments_at(view, obj, ref))
    attachments = [result for result in results if isinstance(result, Attachment)]
    if attachments and not any(attachment.hosts for attachment in attachments):
        message = "more specific listeners on this port own all matching hostnames; the route gets no traffic here"
        yield Finding(obj.ref, "HostsElsewhere", message, path, Severity.WARNING, "attach it to those listeners")
    elif attachments and not any(attachment.served for attachment in attachments):
        message = "none of the listeners that accept it is served; the route gets no traffic here"
        yield Finding(obj.ref, "ListenersNotServed", message, path, Severity.WARNING, f"see the findings of {parent}")
    if results and not attachments:
        refusals = [result for result in results if isinstance(result, Refusal)]
        refusal = min(refusals, key=lambda refusal: _REASONS.index(refusal.reason))
        kind, namespace = kind_of(obj)[1], obj.ref.namespace
        message = _MESSAGES[refusal.reason].format(kind=kind, namespace=namespace, parent=parent, rival=refusal.rival)
        fix = _FIXES.get(refusal.reason, "")
        yield Finding(obj.ref, _API_REASONS[refusal.reason], f"{message}; the route is not attached", path, fix=fix)
