"""Secrets of routers: certificates of servers and of upstream TLS, and CAs from Secrets, under Istio's names.

They exist only for scopes with the service account of a gateway's routers (decisions 0026, 0133): from Secrets of the
router's own namespace, and from those that such a gateway names and is permitted to
(`certificate://<namespace>/<secret>`, decision 0093). Both are checked again for each resource.
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
from mirrorplane.translators.routers.servers import entrusted_terminations
from mirrorplane.translators.secrets import own_secrets, referenced_secrets


def names(view: View, scope: Scope) -> tuple[tuple[str, ...]]:
    """Return the names, `kubernetes://<secret>`, `kubernetes://<secret>-cacert` and `certificate://...`, sorted."""
    if not scope.secret_gateways:
        return ((),)
    own_names = {n for n in _own_names(view, scope) if own_secrets.find_secret(view, scope.namespace, n) is not None}
    return (tuple(sorted(own_names | {n for n in view.memo(_referrers, scope) if _find_referenced(view, scope, n)})),)


def build(view: View, scope: Scope, name: str) -> Resource | None:
    """Return one secret."""
    if not scope.secret_gateways:
        return None
    # Again, though only listed names are built: a grant may be gone since they were listed.
    credential = _find_referenced(view, scope, name) or own_secrets.find_secret(view, scope.namespace, name)
    if credential is None:
        return None
    body = envoy.Secret(name=name)
    if own_secrets.is_ca(name):
        body.validation_context.trusted_ca.inline_bytes = credential.ca
        if credential.crl:
            body.validation_context.crl.inline_bytes = credential.crl
    else:
        body.tls_certificate.certificate_chain.inline_bytes = credential.chain
        body.tls_certificate.private_key.inline_bytes = credential.key
    return envoy.resource(SECRET, name, envoy.encode(body))


def _own_names(view: View, scope: Scope) -> Iterator[str]:
    """Yield the names of the resources from the router's own namespace that its clusters and listeners refer to."""
    for obj in view.by("policy.credential", "*"):
        for policy in view.lowered(obj.ref).policies:
            if exported(policy.export_to, policy.namespace, scope.namespace):
                for cluster_policy in policy.cluster_policies:
                    yield from own_secrets.client_secrets(cluster_policy.tls) if cluster_policy.tls else ()
    for termination in entrusted_terminations(view, scope):
        if termination.referrer is None:
            yield from own_secrets.server_certificates(termination)
            yield from filter(None, (own_secrets.client_ca(termination),))


def _find_referenced(view: View, scope: Scope, name: str) -> Credential | None:
    """Return the credential of this name that a gateway which the router serves may refer to."""
    referrers = view.memo(_referrers, scope).get(name, ())
    return next(
        (credential for ref in referrers if (credential := referenced_secrets.find_certificate(view, ref, name))), None
    )


def _referrers(view: View, scope: Scope) -> Mapping[str, tuple[Ref, ...]]:
    """Return the objects that refer to each certificate, by its name."""
    by_name: dict[str, tuple[Ref, ...]] = {}
    for termination in entrusted_terminations(view, scope):
        if termination.referrer is not None:
            for name in referenced_secrets.server_certificates(termination):
                by_name[name] = (*by_name.get(name, ()), termination.referrer)
    if scope.client_certificate_gateway is not None and (
        secret := referenced_secrets.client_certificate(view, scope.client_certificate_gateway)
    ):
        name = referenced_secrets.certificate_resource(secret)
        by_name[name] = (*by_name.get(name, ()), scope.client_certificate_gateway)
    return by_name


OUTPUT = Output(SECRET, names, build, serves=lambda scope: scope.role == ROUTER)
