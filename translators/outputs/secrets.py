"""Secrets: the certificates that a router's servers and calls name, and whose certificates hold there (Istio's names).

They are made only for scopes that hold a proved identity: from Secrets of the router's own namespace, and from those
that a gateway it serves names and may name (`certificate://<namespace>/<secret>`). Both are looked at again for each.
"""

from collections.abc import Iterator, Mapping

from mirrorplane.api.credentials import Credential
from mirrorplane.api.hosts import exported
from mirrorplane.api.meta import Ref
from mirrorplane.api.proxy import ROUTER, Scope
from mirrorplane.api.resource import SECRET, Resource
from mirrorplane.api.view import View
from mirrorplane.translators import envoy
from mirrorplane.translators.contract import Output
from mirrorplane.translators.routers.servers import terminations
from mirrorplane.translators.secrets import own_secrets, referenced_secrets


def names(view: View, scope: Scope) -> tuple[tuple[str, ...]]:
    """Return the names, `kubernetes://<secret>`, `kubernetes://<secret>-cacert` and those asked for, sorted."""
    if not scope.identity:
        return ((),)
    held = {name for name in _wanted(view, scope) if own_secrets.held(view, scope.namespace, name) is not None}
    return (tuple(sorted(held | {name for name in view.memo(_askers, scope) if _asked_for(view, scope, name)})),)


def build(view: View, scope: Scope, name: str) -> Resource | None:
    """Return one of them."""
    if not scope.identity:
        return None
    found = _asked_for(view, scope, name) or own_secrets.held(view, scope.namespace, name)
    if found is None:
        return None
    body = envoy.Secret(name=name)
    if own_secrets.is_authority(name):
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
                yield from (
                    name
                    for cluster_policy in said.cluster_policies
                    if cluster_policy.tls
                    for name in own_secrets.of_calls(cluster_policy.tls)
                )
    for server in terminations(view, scope):
        if server.referrer is None:
            yield from own_secrets.certificates(server)
            yield from filter(None, (own_secrets.authority(server),))


def _asked_for(view: View, scope: Scope, name: str) -> Credential | None:
    """Return what a gateway that the router serves asks for by this name, and may."""
    askers = view.memo(_askers, scope).get(name, ())
    return next((found for asker in askers if (found := referenced_secrets.held(view, asker, name))), None)


def _askers(view: View, scope: Scope) -> Mapping[str, tuple[Ref, ...]]:
    """Return which objects ask for each certificate, by its name."""
    found: dict[str, tuple[Ref, ...]] = {}
    for said in terminations(view, scope):
        for name in referenced_secrets.certificates(said) if said.referrer is not None else ():
            assert said.referrer is not None
            found[name] = (*found.get(name, ()), said.referrer)
    if scope.shows is not None and (shown := referenced_secrets.shown(view, scope.shows)):
        name = referenced_secrets.certificate(shown)
        found[name] = (*found.get(name, ()), scope.shows)
    return found


OUTPUT = Output(SECRET, names, build, serves=lambda scope: scope.role == ROUTER)
