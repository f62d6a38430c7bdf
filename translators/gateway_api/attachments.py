"""Where a route is attached: which listeners of which Gateways, and with which hosts there."""

from collections.abc import Iterator

import msgspec

from api.finding import Finding, Severity
from api.gateways import EVERYWHERE, includes, narrower
from api.kinds.gateway_api import GROUP
from api.kinds.gateway_api.gateway import GATEWAY
from api.kinds.gateway_api.http_route import HTTPRoute
from api.kinds.gateway_api.references import ParentReference
from api.meta import Object, Ref
from api.view import View
from translators.gateway_api.listeners import Gateway, Served, admits, is_ours, served

Route = Object[HTTPRoute]
_REASONS = ("NotAllowedByListeners", "NoMatchingListenerHostname", "NoMatchingParent")
"""Why a listener does not take a route, the one told first first."""
_SENTENCES = {
    "NotAllowedByListeners": "no listener that it names admits HTTPRoutes of namespace {0}",
    "NoMatchingListenerHostname": "no listener that it names takes one of its hostnames",
    "NoMatchingParent": "{1} serves no listener of this name and port",
}


class Attachment(msgspec.Struct, frozen=True):
    """A listener that takes a route, and the hosts that the route is for there."""

    gateway: Ref
    listener: Served
    hosts: tuple[str, ...]


def attached(view: View, obj: Route) -> tuple[Attachment, ...]:
    """Return the listeners that take a route, each once."""
    found = {
        (one.gateway, one.listener.said.name): one
        for parent in obj.spec.parent_refs
        for one in _of_parent(view, obj, parent)
        if isinstance(one, Attachment)
    }
    return tuple(one for one in found.values() if one.hosts)


def parent_findings(view: View, obj: Route) -> Iterator[Finding]:
    """Say which parents do not take the route. What belongs to other controllers is none of ours."""
    if not obj.spec.parent_refs:
        message = "the route names no parent, so its rules hold nowhere"
        yield Finding(obj.ref, "NoParents", message, "spec.parentRefs", Severity.WARNING, "name a Gateway")
    for i, parent in enumerate(obj.spec.parent_refs):
        path = f"spec.parentRefs[{i}]"
        if _is_gateway(parent):
            yield from _unattached(view, obj, path, parent)
        elif parent.group in {GROUP, ""}:
            message = f"a {parent.kind} is no parent that is served here: the rules do not hold there"
            yield Finding(obj.ref, "ParentNotServed", message, f"{path}.kind", fix="attach the route to a Gateway")


def gateways_of(obj: Route) -> Iterator[Ref]:
    """Yield the Gateways that a route names, each once."""
    yield from dict.fromkeys(_gateway(obj, parent) for parent in obj.spec.parent_refs if _is_gateway(parent))


def hosts_of(obj: Route) -> tuple[str, ...]:
    """Return the hosts as written; all where none is."""
    return tuple(dict.fromkeys(obj.spec.hostnames)) or (EVERYWHERE,)


def _is_gateway(parent: ParentReference) -> bool:
    return (parent.group, parent.kind) == (GROUP, "Gateway")


def _gateway(obj: Route, parent: ParentReference) -> Ref:
    return Ref(GATEWAY.key, parent.namespace or obj.ref.namespace, parent.name)


def _of_parent(view: View, obj: Route, parent: ParentReference) -> Iterator[Attachment | str]:
    """Yield, for each listener that a parent reference names, its attachment or why there is none."""
    gateway: Gateway | None = view.get(_gateway(obj, parent)) if _is_gateway(parent) else None
    if gateway is None or not is_ours(view, gateway):
        return
    every = served(gateway)
    named = [
        one for one in every if parent.section_name in {"", one.said.name} and parent.port in {None, one.said.port}
    ]
    for listener in named:
        hosts = tuple(_hosts(obj, listener))
        if not hosts:
            yield "NoMatchingListenerHostname"
        elif not admits(view, gateway, listener, obj.ref.namespace):
            yield "NotAllowedByListeners"
        else:
            left = tuple(host for host in hosts if not _elsewhere(every, listener, host))
            yield Attachment(gateway.ref, listener, left)
    if not named:
        yield "NoMatchingParent"


def _hosts(obj: Route, listener: Served) -> Iterator[str]:
    """Yield the hosts that both speak of: of two that take one another in, the narrower."""
    met = (narrower(listener.host, host) for host in hosts_of(obj))
    yield from dict.fromkeys(host for host in met if host)


def _elsewhere(every: tuple[Served, ...], listener: Served, host: str) -> bool:
    """Tell whether a more precise listener of the port takes a host: then its requests are only that one's."""
    return any(
        other.said.port == listener.said.port
        and other.host != listener.host
        and includes(listener.host, other.host)
        and includes(other.host, host)
        for other in every
    )


def _unattached(view: View, obj: Route, path: str, parent: ParentReference) -> Iterator[Finding]:
    name = _gateway(obj, parent)
    if view.get(name) is None:
        message = f"there is no {name}: no rule holds there"
        yield Finding(obj.ref, "ParentNotFound", message, path, Severity.WARNING, "correct the name, or create it")
        return
    found = list(_of_parent(view, obj, parent))
    taken = [one for one in found if isinstance(one, Attachment)]
    if taken and not any(one.hosts for one in taken):
        message = "more precise listeners of the port take all hosts that it could be for there: no rule holds there"
        yield Finding(obj.ref, "HostsElsewhere", message, path, Severity.WARNING, "attach it to those listeners")
    if found and not taken:
        reason = next(reason for reason in _REASONS if reason in found)
        sentence = _SENTENCES[reason].format(obj.ref.namespace, name)
        yield Finding(obj.ref, reason, f"{sentence}: no rule holds there", path)
