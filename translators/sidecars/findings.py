"""What sidecars without interception do not do that objects ask for: it depends on which sidecars there are.

A ServiceEntry of resolution NONE has no endpoints: requests go to the address that the client dialled. The kernel tells
it to proxies with interception (SO_ORIGINAL_DST) and to no others, which answer 503.
"""

from collections.abc import Iterator, Sequence

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.mesh import Protocol, Service
from mirrorplane.api.meta import Ref
from mirrorplane.api.proxy import Visibility
from mirrorplane.api.view import View
from mirrorplane.translators.lookups.services import find_service

_WITHOUT_HOST = frozenset({Protocol.TCP, Protocol.AUTO})
"""Protocols whose first bytes need not have the host."""


def bound_sidecar_findings(view: View, visibility: Visibility) -> tuple[Finding, ...]:
    """Return a warning for each object with a service that sidecars without interception see and cannot reach."""
    proxies = f"connected sidecars of namespace {visibility.namespace}, which do not intercept,"
    return tuple(
        no_address(ref, services, proxies)
        for ref, services in unresolved_services(view)
        if any(_is_visible(view, visibility, service) for service in services)
    )


def unresolved_services(view: View) -> Iterator[tuple[Ref, tuple[Service, ...]]]:
    """Yield each object with services that are reached by the address that the client dialled, and those."""
    for obj in view.by("service.unresolved", "*"):
        if services := view.lowered(obj.ref).services:
            yield obj.ref, services


def no_address(about: Ref, services: Sequence[Service], proxies: str) -> Finding:
    """Return the warning that services have no endpoints for some proxies."""
    message = (
        "resolution NONE has no endpoints: requests go to the address that the client dialled, which only proxies with"
        f" interception know; {proxies} answer 503"
    )
    fix = f"{_alternative(services)}, or start the proxies with interception"
    return Finding(about, "NoAddress", message, "spec.resolution", Severity.WARNING, fix)


def _alternative(services: Sequence[Service]) -> str:
    """Return which resolution to set instead, and what else, so that Istio's validation accepts it."""
    if any("/" in address for service in services for address in service.addresses):
        return "list the endpoints, with resolution: STATIC"
    if any(service.host.startswith("*") for service in services):
        return "list the hosts in place of the wildcard, with resolution: DNS"
    if len(services) > 1 and any(port.protocol in _WITHOUT_HOST for port in services[0].ports):
        return "write a ServiceEntry for each host, with resolution: DNS"
    return "set resolution: DNS"


def _is_visible(view: View, visibility: Visibility, service: Service) -> bool:
    winner = view.memo(find_service, visibility, service.host)
    return winner is not None and winner.ref == service.ref
