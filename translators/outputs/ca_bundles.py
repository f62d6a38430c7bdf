"""CA bundles at routers, as resources of their own: a new CA changes no cluster and no listener. See decision 0092.

They are of the type Secret but hold none, so routers need no identity to get them; the object that names a ConfigMap or
Secret of another namespace must be permitted to.
"""

from collections.abc import Iterator, Mapping

from mirrorplane.api.credentials import CaRefs
from mirrorplane.api.proxy import ROUTER, Scope
from mirrorplane.api.resource import SECRET, Resource
from mirrorplane.api.view import View
from mirrorplane.translators import envoy
from mirrorplane.translators.contract import Output
from mirrorplane.translators.routers.servers import terminations
from mirrorplane.translators.secrets import referenced_secrets


def names(view: View, scope: Scope) -> tuple[tuple[str, ...]]:
    """Return the names, `authorities://<kind>/<namespace>/<name>,...`, sorted."""
    return (tuple(sorted(name for name in view.memo(_ca_refs, scope) if _find_bundle(view, scope, name))),)


def build(view: View, scope: Scope, name: str) -> Resource | None:
    """Return one bundle."""
    bundle = _find_bundle(view, scope, name)
    if not bundle:
        return None
    body = envoy.Secret(name=name)
    body.validation_context.trusted_ca.inline_bytes = bundle
    return envoy.resource(SECRET, name, envoy.encode(body))


def _find_bundle(view: View, scope: Scope, name: str) -> bytes:
    """Return the certificates of a bundle, PEM, as the first referrer gets them that may; b"" when none may."""
    referrers = view.memo(_ca_refs, scope).get(name, ())
    return next((bundle for ca_refs in referrers if (bundle := referenced_secrets.trusted_cas(view, ca_refs))), b"")


def _ca_refs(view: View, scope: Scope) -> Mapping[str, tuple[CaRefs, ...]]:
    """Return the references to each bundle, by its name."""
    by_name: dict[str, tuple[CaRefs, ...]] = {}
    for ca_refs in (*view.memo(_of_policies), *_of_servers(view, scope)):
        name = referenced_secrets.ca_bundle_resource(ca_refs.refs)
        by_name[name] = (*by_name.get(name, ()), ca_refs)
    return by_name


def _of_policies(view: View) -> tuple[CaRefs, ...]:
    """Return the bundles that backends are verified with."""
    policies = (policy for obj in view.by("service.tls.ca_refs", "*") for policy in view.lowered(obj.ref).backend_tls)
    return tuple(dict.fromkeys(CaRefs(p.ref, p.tls.ca_refs) for p in policies if p.tls.ca_refs))


def _of_servers(view: View, scope: Scope) -> Iterator[CaRefs]:
    """Yield the bundles that clients are verified with."""
    for termination in terminations(view, scope):
        if termination.client_ca is not None:
            yield termination.client_ca


OUTPUT = Output(SECRET, names, build, serves=lambda scope: scope.role == ROUTER, public=True)
