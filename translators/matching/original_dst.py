"""Which address a client dials for a host: the answer that cluster DNS gives. The only file here that reads a View."""

from mirrorplane.api.hosts import collapsed, fqdn, is_ip
from mirrorplane.api.mesh import Service
from mirrorplane.api.proxy import Scope
from mirrorplane.api.view import View
from mirrorplane.translators.lookups import services
from mirrorplane.translators.lookups.aliases import resolve_alias
from mirrorplane.translators.lookups.endpoints import tcp_endpoints
from mirrorplane.translators.names import ANY_ADDRESS
from mirrorplane.translators.sidecars.outbound_listeners import dialable_addresses


def original_dst_address(view: View, scope: Scope, host: str, port: int) -> str:
    """Return the first address of the service with that name, or of a workload when the service is headless.

    A host without service gets an address that no listener serves.
    """
    name = host.lower().removesuffix(".")
    if is_ip(name):
        return collapsed(name)
    service = resolve_service(view, scope, host)
    if service is None:
        return ANY_ADDRESS
    endpoints = tcp_endpoints(view, service.ref, service.host, port)
    resolved = dialable_addresses(service) or tuple(endpoint.address for endpoint in endpoints)
    return next(iter(resolved), ANY_ADDRESS)


def resolve_service(view: View, scope: Scope, host: str) -> Service | None:
    """Return the service that a client means by a host name, as cluster DNS completes it."""
    name = host.lower().removesuffix(".")
    suffix = f".svc.{scope.domain}"
    # The resolver's search list: as given, in the client's namespace, in the domain, and under `svc`.
    names = (name, fqdn(name, scope.namespace, scope.domain), f"{name}{suffix}", f"{name.removesuffix('.svc')}{suffix}")
    resolved = (services.find_service(view, scope.visibility, resolve_alias(view, candidate)) for candidate in names)
    return next((service for service in resolved if service is not None), None)
