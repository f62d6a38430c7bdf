"""Authorities that routers trust: what a resource holds may change without the clusters and listeners that name it.

They are no secrets, so that routers get them that have proved nothing.
"""

from api.proxy import ROUTER, Scope
from api.resource import SECRET, Resource
from api.view import View
from translators import credentials, envoy
from translators.contract import Output


def names(view: View, _: Scope) -> tuple[tuple[str, ...]]:
    """Return the names, sorted."""
    return (tuple(sorted(name for name in view.memo(_of_services) if credentials.trusted(view, name))),)


def build(view: View, _: Scope, name: str) -> Resource | None:
    """Return one of them."""
    found = credentials.trusted(view, name) if name in view.memo(_of_services) else b""
    if not found:
        return None
    body = envoy.Secret(name=name)
    body.validation_context.trusted_ca.inline_bytes = found
    return envoy.resource(SECRET, name, envoy.encode(body))


def _of_services(view: View) -> frozenset[str]:
    """Return the names of those by which servers are verified."""
    return frozenset(
        credentials.authorities(said.tls.authorities)
        for obj in view.by("service.tls.authorities", "*")
        for said in view.lowered(obj.ref).service_tls
        if said.tls.authorities
    )


OUTPUT = Output(SECRET, names, build, serves=lambda scope: scope.role == ROUTER, public=True)
