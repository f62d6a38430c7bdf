"""Secrets: the certificates that a router's servers and calls name, and whose certificates hold there (Istio's names).

They are made only for scopes that hold a proved identity, and only from Secrets of the router's own namespace.
"""

from collections.abc import Iterator

from api.hosts import exported
from api.proxy import ROUTER, Scope
from api.resource import SECRET, Resource
from api.view import View
from translators import credentials, envoy
from translators.contract import Output
from translators.gateways import merged


def names(view: View, scope: Scope) -> tuple[tuple[str, ...]]:
    """Return the names, `kubernetes://<secret>` and `kubernetes://<secret>-cacert`, sorted."""
    wanted = set(_wanted(view, scope)) if scope.identity else set()
    held = (name for name in wanted if credentials.held(view, scope.namespace, name) is not None)
    return (tuple(sorted(held)),)


def build(view: View, scope: Scope, name: str) -> Resource | None:
    """Return one of them."""
    found = credentials.held(view, scope.namespace, name) if scope.identity else None
    if found is None:
        return None
    body = envoy.Secret(name=name)
    if credentials.is_authority(name):
        body.validation_context.trusted_ca.inline_bytes = found.ca
        if found.crl:
            body.validation_context.crl.inline_bytes = found.crl
    else:
        body.tls_certificate.certificate_chain.inline_bytes = found.chain
        body.tls_certificate.private_key.inline_bytes = found.key
    return envoy.resource(SECRET, name, envoy.encode(body))


def _wanted(view: View, scope: Scope) -> Iterator[str]:
    for obj in view.by("policy.credential", "*"):
        for said in view.lowered(obj.ref).policies:
            if exported(said.export_to, said.namespace, scope.namespace):
                yield from (name for manner in said.manners if manner.tls for name in credentials.of_calls(manner.tls))
    for opening in view.memo(merged, scope).openings:
        for door in opening.doors:
            if door.server.termination is not None:
                yield from credentials.certificates(door.server.termination)
                yield from filter(None, (credentials.authority(door.server.termination),))


OUTPUT = Output(SECRET, names, build, serves=lambda scope: scope.role == ROUTER)
