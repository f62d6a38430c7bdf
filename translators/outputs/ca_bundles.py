"""Authorities that routers trust: what a resource holds may change without the clusters and listeners that name it.

They are no secrets, so that routers get them that have proved nothing; whoever names them must be permitted to.
"""

from collections.abc import Iterable, Iterator, Mapping

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
    return (tuple(sorted(name for name in view.memo(_asked, scope) if _trusted(view, scope, name))),)


def build(view: View, scope: Scope, name: str) -> Resource | None:
    """Return one of them."""
    found = _trusted(view, scope, name)
    if not found:
        return None
    body = envoy.Secret(name=name)
    body.validation_context.trusted_ca.inline_bytes = found
    return envoy.resource(SECRET, name, envoy.encode(body))


def _trusted(view: View, scope: Scope, name: str) -> bytes:
    asked = view.memo(_asked, scope).get(name, ())
    return next((found for said in asked if (found := referenced_secrets.trusted(view, said))), b"")


def _asked(view: View, scope: Scope) -> Mapping[str, tuple[CaRefs, ...]]:
    return _by_name((*view.memo(_by_policies), *_at_servers(view, scope)))


def _by_policies(view: View) -> tuple[CaRefs, ...]:
    """Return by which authorities servers are verified."""
    objects = view.by("service.tls.ca_refs", "*")
    said = (said for obj in objects for said in view.lowered(obj.ref).backend_tls)
    return tuple(dict.fromkeys(CaRefs(one.ref, one.tls.ca_refs) for one in said if one.tls.ca_refs))


def _at_servers(view: View, scope: Scope) -> Iterator[CaRefs]:
    """Yield by which authorities clients are verified."""
    for said in terminations(view, scope):
        if said.client_ca is not None:
            yield said.client_ca


def _by_name(asked: Iterable[CaRefs]) -> Mapping[str, tuple[CaRefs, ...]]:
    found: dict[str, tuple[CaRefs, ...]] = {}
    for one in asked:
        name = referenced_secrets.authorities(one.refs)
        found[name] = (*found.get(name, ()), one)
    return found


OUTPUT = Output(SECRET, names, build, serves=lambda scope: scope.role == ROUTER, public=True)
