"""Whose listeners a route names: the Gateways, ListenerSets and Services that are its parents."""

from collections.abc import Iterator
from typing import Protocol

from mirrorplane.api.gateways import EVERYWHERE
from mirrorplane.api.kinds.gateway_api.gateway import GATEWAY
from mirrorplane.api.kinds.gateway_api.listener_set import LISTENER_SET
from mirrorplane.api.kinds.gateway_api.references import ParentReference
from mirrorplane.api.kinds.kube import SERVICE
from mirrorplane.api.meta import Object, Ref
from mirrorplane.api.view import View
from mirrorplane.translators.gateway_api.gateway.classes import profile_at
from mirrorplane.translators.gateway_api.gateway.listeners import joined

_AT_SERVICES = frozenset(("HTTPRoute", "GRPCRoute"))
"""The kinds of routes that Services are served as parents of (see frontends)."""


class Spec(Protocol):
    """What all routes say."""

    @property
    def parent_refs(self) -> tuple[ParentReference, ...]:
        """The parents."""
        ...


Route = Object[Spec]  # type: ignore[type-var]


def owners_of(obj: Route) -> Iterator[Ref]:
    """Yield the Gateways and ListenerSets that a route names, each once."""
    yield from dict.fromkeys(filter(None, (owner_of(obj, parent) for parent in obj.spec.parent_refs)))


def owner_of(obj: Route, parent: ParentReference) -> Ref | None:
    """Return the Gateway or ListenerSet that is a parent; None for what has no listeners."""
    key = f"{parent.group}/{parent.kind}"
    if key not in {GATEWAY.key, LISTENER_SET.key}:
        return None
    return Ref(key, parent.namespace or obj.ref.namespace, parent.name)


def service_of(obj: Route, parent: ParentReference) -> Ref | None:
    """Return the Service that is a parent of a route for requests; None for other parents, and other routes.

    Gateway API: its group has to be said, it is `""`.
    """
    if (parent.group, parent.kind) != ("", "Service") or kind_of(obj)[1] not in _AT_SERVICES:
        return None
    return Ref(SERVICE.key, parent.namespace or obj.ref.namespace, parent.name)


def is_ours(view: View, obj: Route) -> bool:
    """Tell whether any of a route's parents is served here."""
    return any(served_by(view, owner) is not None for owner in owners_of(obj))


def hosts_of(obj: Route) -> tuple[str, ...]:
    """Return the hosts as written; all where none is, and where routes of the kind name none."""
    return tuple(dict.fromkeys(getattr(obj.spec, "hostnames", ()))) or (EVERYWHERE,)


def served_by(view: View, owner: Ref) -> Ref | None:
    """Return the Gateway at whose routers an object's listeners are; None when it is not there, or not ours."""
    gateway = owner
    if owner.kind == LISTENER_SET.key:
        obj = view.get(owner)
        asked = joined(obj) if obj is not None else None
        if asked is None:
            return None
        gateway = asked
    return gateway if profile_at(view, gateway) is not None else None


def kind_of(obj: Route) -> tuple[str, str]:
    """Return the kind of a route, after its group."""
    group, _, kind = obj.ref.kind.rpartition("/")
    return group, kind
