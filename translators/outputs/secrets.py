"""Secrets: the certificates that a router's servers and calls name, and whose certificates hold there (Istio's names).

They are made only for scopes that hold a proved identity: from Secrets of the router's own namespace, and from those
that a gateway it serves names and may name (`certificate://<namespace>/<secret>`). Both are looked at again for each.
"""

from collections.abc import Iterator, Mapping

from api.credentials import Credential
from api.hosts import exported
from api.meta import Ref
from api.proxy import ROUTER, Scope
from api.resource import SECRET, Resource
from api.view import View
from translators import credentials, envoy, granted
from translators.contract import Output
from translators.routers.doors import terminations


def names(view: View, scope: Scope) -> tuple[tuple[str, ...]]:
    """Return the names, `kubernetes://<secret>`, `kubernetes://<secret>-cacert` and those asked for, sorted."""
    if not scope.identity:
        return ((),)
    held = {name for name in _wanted(view, scope) if credentials.held(view, scope.namespace, name) is not None}
    return (tuple(sorted(held | {name for name in view.memo(_askers, scope) if _asked_for(view, scope, name)})),)


def build(view: View, scope: Scope, name: str) -> Resource | None:
    """Return one of them."""
    if not scope.identity:
        return None
    found = _asked_for(view, scope, name) or credentials.held(view, scope.namespace, name)
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
    for server in terminations(view, scope):
        if server.asker is None:
            yield from credentials.certificates(server)
            yield from filter(None, (credentials.authority(server),))


def _asked_for(view: View, scope: Scope, name: str) -> Credential | None:
    """Return what a gateway that the router serves asks for by this name, and may."""
    askers = view.memo(_askers, scope).get(name, ())
    return next((found for asker in askers if (found := granted.held(view, asker, name))), None)


def _askers(view: View, scope: Scope) -> Mapping[str, tuple[Ref, ...]]:
    """Return which objects ask for each certificate, by its name."""
    found: dict[str, tuple[Ref, ...]] = {}
    for said in terminations(view, scope):
        for name in granted.certificates(said) if said.asker is not None else ():
            assert said.asker is not None
            found[name] = (*found.get(name, ()), said.asker)
    if scope.shows is not None and (shown := granted.shown(view, scope.shows)):
        name = granted.certificate(shown)
        found[name] = (*found.get(name, ()), scope.shows)
    return found


OUTPUT = Output(SECRET, names, build, serves=lambda scope: scope.role == ROUTER)
