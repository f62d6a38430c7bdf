"""Which address a client dials when it asks for a host: what DNS would have told it."""

from mirrorplane.api.hosts import collapsed, fqdn, is_ip
from mirrorplane.api.proxy import Scope
from mirrorplane.api.view import View
from mirrorplane.translators.lookups import services
from mirrorplane.translators.lookups.policies import endpoints
from mirrorplane.translators.names import ANY_ADDRESS
from mirrorplane.translators.sidecars.outbound_listeners import addresses


def address(view: View, scope: Scope, host: str, port: int) -> str:
    """Return the first address of the service of that name, or of one of its workloads when it is headless.

    A host that no service has is somewhere: then it is an address that no listener is for.
    """
    name = host.lower().removesuffix(".")
    if is_ip(name):
        return collapsed(name)
    suffix = f".svc.{scope.domain}"
    names = (name, fqdn(name, scope.namespace, scope.domain), f"{name}{suffix}", f"{name.removesuffix('.svc')}{suffix}")
    for each in names:
        service = services.service(view, scope.visibility, each)
        if service is not None:
            one = addresses(service) or tuple(e.address for e in endpoints(view, service.ref, service.host, port))
            return next(iter(one), ANY_ADDRESS)
    return ANY_ADDRESS
