"""Where a route is attached: which listeners of which Gateways and ListenerSets, and with which hosts there."""

from collections.abc import Iterator

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
    owner_of,
    served_by,
    service_of,
)
from mirrorplane.translators.gateway_api.gateway.listeners import Listener, Verdict, admits, is_finer, seen_by
from mirrorplane.translators.gateway_api.names import called

_RIVALLED = "Rivalled"
_REASONS = (_RIVALLED, "NotAllowedByListeners", "NoMatchingListenerHostname", "NoMatchingParent")
"""Why a listener does not take a route, the one told first first."""
_SENTENCES = {
    _RIVALLED: "older routes of the other kind have its hostnames at the listeners that it names",
    "NotAllowedByListeners": "no listener that it names admits {kind}s of namespace {namespace}",
    "NoMatchingListenerHostname": "no listener that it names takes one of its hostnames",
    "NoMatchingParent": "{parent} has no listener of this name and port",
}


_HTTP, _GRPC = (GROUP, "HTTPRoute"), (GROUP, "GRPCRoute")


class Attachment(msgspec.Struct, frozen=True):
    """A listener of a Gateway that takes a route, and the hosts that the route is for there.

    No hosts: more precise listeners have them all. `served`: the listener is.
    """

    gateway: Ref
    listener: Listener
    hosts: tuple[str, ...]
    served: bool

    @property
    def holds(self) -> bool:
        """Whether the rules hold there."""
        return self.served and bool(self.hosts)


def attached(view: View, obj: Route) -> tuple[Attachment, ...]:
    """Return the listeners that take a route, each once."""
    found = {
        (one.listener.owner, one.listener.said.name): one
        for parent in obj.spec.parent_refs
        for one in of_parent(view, obj, parent)
        if isinstance(one, Attachment)
    }
    return tuple(found.values())


def parent_findings(view: View, obj: Route) -> Iterator[Finding]:
    """Say which parents do not take the route. What belongs to other controllers is none of ours."""
    if not obj.spec.parent_refs:
        message = "the route names no parent, so its rules hold nowhere"
        yield Finding(obj.ref, "NoParents", message, "spec.parentRefs", Severity.WARNING, "name a Gateway or a Service")
    for i, parent in enumerate(obj.spec.parent_refs):
        path = f"spec.parentRefs[{i}]"
        if owner_of(obj, parent) is not None:
            yield from _unattached(view, obj, path, parent)
        elif parent.group == "" and service_of(obj, parent) is None:
            message = f"a {parent.kind} is no parent of {kind_of(obj)[1]}s that is served here: no rule holds there"
            fix = "attach the route to a Gateway"
            yield Finding(obj.ref, "ParentNotServed", message, f"{path}.kind", fix=fix)


def of_parent(view: View, obj: Route, parent: ParentReference) -> Iterator[Attachment | str]:
    """Yield, for each listener that a parent reference names, its attachment or why there is none.

    Nothing for a parent that is not there, or belongs to other controllers.
    """
    owner = owner_of(obj, parent)
    gateway = served_by(view, owner) if owner is not None else None
    if owner is None or gateway is None:
        return
    every: tuple[Verdict, ...] = view.memo(seen_by, gateway, owner)
    named = [one for one in every if one.listener.owner == owner and _is_named(parent, one.listener)]
    for one in named:
        hosts = tuple(_hosts(obj, one.listener))
        if not admits(view, one, kind_of(obj), obj.ref.namespace):
            yield "NoMatchingListenerHostname" if kind_of(obj) in one.kinds and not hosts else "NotAllowedByListeners"
        elif not hosts:
            yield "NoMatchingListenerHostname"
        elif _is_rivalled(view, obj, one.listener, hosts):
            yield _RIVALLED
        else:
            left = tuple(host for host in hosts if not _elsewhere(every, one.listener, host))
            yield Attachment(gateway, one.listener, left, one.served)
    if not named:
        yield "NoMatchingParent"


def _is_named(parent: ParentReference, listener: Listener) -> bool:
    return parent.section_name in {"", listener.said.name} and parent.port in {None, listener.said.port}


def _hosts(obj: Route, listener: Listener) -> Iterator[str]:
    """Yield the hosts that both speak of: of two that take one another in, the narrower."""
    met = (narrower(listener.host, host) for host in hosts_of(obj))
    yield from dict.fromkeys(host for host in met if host)


def _elsewhere(every: tuple[Verdict, ...], listener: Listener, host: str) -> bool:
    """Tell whether a more precise listener of the port takes a host: then its requests are only that one's."""
    return any(one.accepted and is_finer(one.listener, listener) and includes(one.listener.host, host) for one in every)


def _is_rivalled(view: View, obj: Route, listener: Listener, hosts: tuple[str, ...]) -> bool:
    """Tell whether a route of the other kind is attached to a listener for one of these hosts already.

    Gateway API: of an HTTPRoute and a GRPCRoute whose hosts meet the oldest is accepted, then the first by
    `namespace/name`. What was not accepted itself is nobody's rival. The oldest are asked first: they have few rivals
    of their own, so that hundreds are no tower of questions.
    """
    older = (one for one in _rivals(view, obj, listener, hosts) if _age(one) < _age(obj))
    return any(
        _meet(one, listener, hosts) and listener in view.memo(_attached_to, one.ref) for one in sorted(older, key=_age)
    )


def _rivals(view: View, obj: Route, listener: Listener, hosts: tuple[str, ...]) -> Iterator[Route]:
    """Yield the routes of the other kind that may have hosts in common, looked up by host where it is no wildcard."""
    other = {_HTTP: _GRPC, _GRPC: _HTTP}.get(kind_of(obj))
    if other is None:
        return
    place = called(listener.owner)
    wide = any(host.startswith(EVERYWHERE) for host in hosts)
    keys = [place] if wide else [f"{place}|{one}" for host in hosts for one in candidates(host)]
    found = {one.ref: one for key in keys for one in _filed(view, other, key, wide=wide)}
    yield from (one for one in found.values() if kind_of(one) == other)


def _filed(view: View, kind: tuple[str, str], key: str, *, wide: bool) -> tuple[Route, ...]:
    """Return the routes at a parent, or at one of its hosts. GRPCRoutes are few, and found among themselves."""
    if kind == _GRPC:
        return view.by("gateway.calls", key)
    return view.by("gateway.routes", key) if wide else view.by("gateway.host", key)


def _meet(obj: Route, listener: Listener, hosts: tuple[str, ...]) -> bool:
    return any(narrower(one, other) for one in _hosts(obj, listener) for other in hosts)


def _attached_to(view: View, ref: Ref) -> tuple[Listener, ...]:
    obj = view.get(ref)
    return tuple(one.listener for one in attached(view, obj)) if obj is not None else ()


def _age(obj: Route) -> tuple[str, str, str]:
    return obj.created, f"{obj.ref.namespace}/{obj.ref.name}", obj.ref.kind


def _unattached(view: View, obj: Route, path: str, parent: ParentReference) -> Iterator[Finding]:
    owner = owner_of(obj, parent)
    if owner is not None and served_by(view, owner) is None and view.get(owner) is None:
        message = f"there is no {owner}: no rule holds there"
        yield Finding(obj.ref, "ParentNotFound", message, path, Severity.WARNING, "correct the name, or create it")
        return
    found = list(of_parent(view, obj, parent))
    taken = [one for one in found if isinstance(one, Attachment)]
    if taken and not any(one.hosts for one in taken):
        message = "more precise listeners of the port take all hosts that it could be for there: no rule holds there"
        yield Finding(obj.ref, "HostsElsewhere", message, path, Severity.WARNING, "attach it to those listeners")
    elif taken and not any(one.served for one in taken):
        message = "no listener that takes it is served: no rule holds there"
        yield Finding(obj.ref, "ListenersNotServed", message, path, Severity.WARNING, f"see what is said of {owner}")
    if found and not taken:
        reason = next(reason for reason in _REASONS if reason in found)
        said = _SENTENCES[reason].format(kind=kind_of(obj)[1], namespace=obj.ref.namespace, parent=owner)
        told = "NotAllowedByListeners" if reason == _RIVALLED else reason
        yield Finding(obj.ref, told, f"{said}: no rule holds there", path)
