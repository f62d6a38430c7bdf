"""Which address a client dials when it asks for a host: what DNS would have told it."""

from api.hosts import collapsed, fqdn, is_ip
from api.proxy import Scope
from api.view import View
from translators import visible
from translators.arrivals import addresses
from translators.lookups import endpoints
from translators.names import ANYWHERE


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
        service = visible.service(view, scope.viewer, each)
        if service is not None:
            one = addresses(service) or tuple(e.address for e in endpoints(view, service.ref, service.host, port))
            return next(iter(one), ANYWHERE)
    return ANYWHERE
