"""Gateway API's TLSRoute -> RouteTable, one for each listener that it is attached to."""

from collections.abc import Iterator

from mirrorplane.api.finding import Finding
from mirrorplane.api.hosts import is_ip
from mirrorplane.api.kinds.gateway_api.tls_route import TLS_ROUTE, TLSRoute
from mirrorplane.api.mesh import Lowered
from mirrorplane.api.meta import Object
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Input
from mirrorplane.translators.gateway_api.names import hostname_problem
from mirrorplane.translators.gateway_api.route.indexes import ROUTE_INDEXES
from mirrorplane.translators.gateway_api.route.l4_routes import l4_route_findings, lower_l4_route


def lower(view: View, obj: Object[TLSRoute]) -> Lowered:
    """Return the rule as it applies at each listener that the route is attached to."""
    return lower_l4_route(view, obj)


def validate(obj: Object[TLSRoute]) -> Iterator[Finding]:
    """Report what the API server rejects."""
    for i, host in enumerate(obj.spec.hostnames):
        if problem := _hostname_problem(host):
            yield Finding(obj.ref, "InvalidHostname", problem, f"spec.hostnames[{i}]")
    yield from l4_route_findings(obj)


def _hostname_problem(host: str) -> str:
    """Return why a hostname cannot be a TLS server name, in the API server's words, or ""."""
    if is_ip(host):
        return "Hostnames cannot contain an IP"
    if not hostname_problem(host):
        return ""
    if "*" not in host:
        return "Hostnames must be valid based on RFC-1123"
    return "Wildcards on hostnames must be the first label, and the rest of hostname must be valid based on RFC-1123"


INPUT = Input(
    kinds=(TLS_ROUTE,),
    lower=lower,
    validate=validate,
    indexes=ROUTE_INDEXES,
)
