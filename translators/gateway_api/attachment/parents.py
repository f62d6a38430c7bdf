"""The parents of a route: the Gateways, ListenerSets and Services that its parentRefs refer to."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from mirrorplane.api.finding import Finding
from mirrorplane.api.gateways import EVERYWHERE
from mirrorplane.api.kinds.gateway_api.gateway import GATEWAY
from mirrorplane.api.kinds.gateway_api.listener_set import LISTENER_SET
from mirrorplane.api.kinds.gateway_api.references import ParentReference
from mirrorplane.api.kinds.kube import SERVICE
from mirrorplane.api.meta import Object, Ref
from mirrorplane.api.view import View
from mirrorplane.translators.gateway_api.gateway.classes import gateway_profile
from mirrorplane.translators.gateway_api.gateway.listeners import joined_gateway

_SERVICE_ROUTES = frozenset(("HTTPRoute", "GRPCRoute"))
"""The kinds of routes that may have Services as parents (see service_parents)."""


class Spec(Protocol):
    """The spec of a route of any kind."""

    @property
    def parent_refs(self) -> tuple[ParentReference, ...]:
        """The parents."""
        ...


Route = Object[Spec]  # type: ignore[type-var]


def parents_of(obj: Route) -> Iterator[Ref]:
    """Yield the Gateways and ListenerSets that a route refers to, each once."""
    yield from dict.fromkeys(filter(None, (parent_of(obj, ref) for ref in obj.spec.parent_refs)))


def parent_of(obj: Route, ref: ParentReference) -> Ref | None:
    """Return the Gateway or ListenerSet that a reference leads to; None for a parent without listeners."""
    key = f"{ref.group}/{ref.kind}"
    if key not in {GATEWAY.key, LISTENER_SET.key}:
        return None
    return Ref(key, ref.namespace or obj.ref.namespace, ref.name)


def service_of(obj: Route, ref: ParentReference) -> Ref | None:
    """Return the Service that a reference leads to; None for other parents, and for routes that cannot have one.

    Its group is `""`, which is not the default of parentRefs.
    """
    if (ref.group, ref.kind) != ("", "Service") or kind_of(obj)[1] not in _SERVICE_ROUTES:
        return None
    return Ref(SERVICE.key, ref.namespace or obj.ref.namespace, ref.name)


def has_served_parent(view: View, obj: Route) -> bool:
    """Tell whether any of a route's parents is a Gateway that is served here, or joins one."""
    return any(serving_gateway(view, parent) is not None for parent in parents_of(obj))


def hosts_of(obj: Route) -> tuple[str, ...]:
    """Return the hostnames of a route; all without any, and for kinds of routes that have none."""
    return tuple(dict.fromkeys(getattr(obj.spec, "hostnames", ()))) or (EVERYWHERE,)


def serving_gateway(view: View, parent: Ref) -> Ref | None:
    """Return the Gateway whose routers serve a parent's listeners; None when it is missing or not served here."""
    gateway = parent
    if parent.kind == LISTENER_SET.key:
        obj = view.get(parent)
        joined = joined_gateway(obj) if obj is not None else None
        if joined is None:
            return None
        gateway = joined
    return gateway if gateway_profile(view, gateway) is not None else None


def kind_of(obj: Route) -> tuple[str, str]:
    """Return the group and the kind of a route."""
    group, _, kind = obj.ref.kind.rpartition("/")
    return group, kind


def parent_ref_findings(about: Ref, refs: Sequence[ParentReference]) -> Iterator[Finding]:
    """Report two references to one parent that are not about distinct parts of it, in the API server's words."""
    parts_by_parent: dict[object, list[tuple[str, int | None]]] = {}
    when = "when parentRefs includes 2 or more references to the same parent"
    for i, ref in enumerate(refs):
        parent = ref.group, ref.kind, ref.namespace or about.namespace, ref.name
        parts = parts_by_parent.setdefault(parent, [])
        part = ref.section_name, ref.port
        if part in parts:
            message = f"sectionName or port must be unique {when}"
            yield Finding(about, "InvalidParent", message, f"spec.parentRefs[{i}]")
        elif parts and ("", None) in (part, *parts):
            message = f"sectionName or port must be specified {when}"
            yield Finding(about, "InvalidParent", message, f"spec.parentRefs[{i}]")
        parts.append(part)
