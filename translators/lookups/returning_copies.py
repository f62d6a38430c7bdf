"""Which mirrors may lead back to a route that copies again: those that may arrive at a proxy. See decision 0125."""

import hashlib
from collections.abc import Iterable

import msgspec

from mirrorplane.api.actions import Destination
from mirrorplane.api.hosts import covers
from mirrorplane.api.mesh import Resolution
from mirrorplane.api.meta import Ref
from mirrorplane.api.mirrors import SHADOW_SUFFIX, Mirror
from mirrorplane.api.proxy import Visibility
from mirrorplane.api.routes import Forward, Route
from mirrorplane.api.view import View
from mirrorplane.translators.lookups.endpoints import endpoint_labels
from mirrorplane.translators.lookups.gateways import selecting_gateways
from mirrorplane.translators.lookups.policies import target_port
from mirrorplane.translators.lookups.services import find_service

# 40 bits, to tell the few rules apart that a request passes.
_DIGITS = 10


def mark_returning(view: View, visibility: Visibility, route: Route, host: str, listener_port: int) -> Route:
    """Return a route of the virtual host of a domain with a `mark` on the mirrors whose copies may come back to it."""

    def returns(mirror: Mirror, forward: Forward) -> bool:
        return _may_match(mirror, forward, host) and leads_to_proxy(view, visibility, mirror.destination, listener_port)

    # Without destinations a request is answered by the proxy, and not copied.
    forwards = [forward for forward in route.forwards if forward.destinations]
    returning = {mirror for forward in forwards for mirror in forward.mirrors if returns(mirror, forward)}
    if not returning:
        return route
    mark = _mark(route.ref)

    def with_marks(forward: Forward) -> Forward:
        mirrors = (
            msgspec.structs.replace(mirror, mark=mark) if mirror in returning and forward.destinations else mirror
            for mirror in forward.mirrors
        )
        return msgspec.structs.replace(forward, mirrors=tuple(mirrors))

    return route.map_forwards(with_marks)


def copy_hosts(mirror: Mirror, forward: Forward, hosts: Iterable[str]) -> frozenset[str]:
    """Return the Hosts, or wildcards, of copies of what some domains match. A profile may change them."""
    if mirror.host:
        return frozenset((mirror.host,))
    suffix = SHADOW_SUFFIX if mirror.shadow_suffix else ""
    # Envoy copies a request as it is forwarded, and then appends the suffix.
    forwarded = (new_host or host for new_host in _new_hosts(forward) for host in hosts)
    return frozenset(f"{host}{suffix}" for host in forwarded)


def leads_to_proxy(view: View, visibility: Visibility, destination: Destination, listener_port: int) -> bool:
    """Tell whether what is sent to a destination may arrive at a proxy, and not at a workload.

    Whatever lies behind a name that DNS resolves, or behind an address that no Pod has, may be a proxy.
    """
    service = view.memo(find_service, visibility, destination.host)
    if service is None or service.resolution is not Resolution.ENDPOINTS:
        return service is not None
    port = target_port(view, visibility, destination, listener_port)
    return view.memo(_has_proxy, service.ref, service.host, port)


def _has_proxy(view: View, owner: Ref, host: str, number: int) -> bool:
    labels = view.memo(endpoint_labels, owner, host, number)
    return any(not each or view.memo(selecting_gateways, each, owner.namespace) for each in labels)


def _may_match(mirror: Mirror, forward: Forward, host: str) -> bool:
    """Tell whether copies may come back to the virtual host of a domain: `web` does not match `web-shadow`.

    A Host that is changed may be that of another rule, whose copies have the Host of this one.
    """
    if mirror.host or mirror.profile or not mirror.shadow_suffix or any(_new_hosts(forward)):
        return True
    return host.startswith("*") and covers(host, f"{host}{SHADOW_SUFFIX}")


def _new_hosts(forward: Forward) -> frozenset[str]:
    """Return what the Host of requests is changed to; "" is unchanged."""
    rewrite = forward.rewrite.host
    return frozenset((rewrite,) if rewrite else (destination.rewrite_host for destination in forward.destinations))


def _mark(ref: Ref) -> str:
    """Return what stands for an object: a hash, so that the targets of its mirrors do not learn its name."""
    name = "/".join((ref.kind, ref.namespace, ref.name))
    return hashlib.sha256(name.encode()).hexdigest()[:_DIGITS]
