"""Do the servers of a gateway serve? Older gateways for the same routers, Secrets, and rules decide."""

from collections.abc import Iterator

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.gateways import Gateway, Server, ServerProtocol
from mirrorplane.api.proxy import Scope
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Check
from mirrorplane.translators.routers.l4_routes import l4_rules
from mirrorplane.translators.routers.servers import merge_servers, selected_scope


def gateway(view: View, said: Gateway) -> tuple[Finding, ...]:
    """Return what keeps servers from serving, at a router that has the labels that are selected and no others."""
    scope = selected_scope(view, said)
    return (*_conflicts(view, said, scope), *_secrets(view, said), *_rules(view, said, scope))


def _conflicts(view: View, said: Gateway, scope: Scope) -> Iterator[Finding]:
    for lost in view.memo(merge_servers, scope).left_out:
        if lost.about == said.ref:
            message = f"nothing listens for this server: {lost.why}"
            yield Finding(said.ref, "GatewayConflict", message, lost.server.path, fix="use another port or other hosts")


def _secrets(view: View, said: Gateway) -> Iterator[Finding]:
    """Look for Secrets in every namespace: it must be the routers', which nobody can tell from here."""
    own = (one for one in said.servers if one.termination is not None and one.termination.referrer is None)
    for server in own:
        for name in server.termination.credentials if server.termination is not None else ():
            if not _exists(view, name):
                message = f"there is no Secret {name} with a certificate and a key: nobody is let in at this server"
                path = f"{server.path}.{server.credential_path}"
                yield Finding(said.ref, "CredentialNotFound", message, path, fix="create it in the routers' namespace")


def _exists(view: View, name: str) -> bool:
    owner, _, bare = name.rpartition("/")
    found = (c for obj in view.by("credential.name", bare) for c in view.lowered(obj.ref).credentials)
    return any(c.chain and owner in {"", c.ref.namespace} for c in found)


def _rules(view: View, said: Gateway, scope: Scope) -> Iterator[Finding]:
    """Tell of servers for bytes that no rule is about: nothing listens for them."""
    for binding in view.memo(merge_servers, scope).bindings:
        for gateway_server in binding.gateway_servers:
            if gateway_server.about != said.ref or gateway_server.server.protocol is ServerProtocol.HTTP:
                continue
            if not view.memo(l4_rules, scope, gateway_server):
                yield _idle(said, gateway_server.server)


def _idle(said: Gateway, server: Server) -> Finding:
    if said.api:
        message, fix = "no route is attached to this listener: nothing listens for it", "attach one"
    else:
        field = "tls" if server.tls and server.termination is None else "tcp"
        message = f"no VirtualService at this gateway has a {field} rule for it: nothing listens for this server"
        fix = f"write one under spec.{field}"
    return Finding(said.ref, "NoRules", message, server.path, Severity.WARNING, fix)


CHECK = Check(gateway=gateway)
