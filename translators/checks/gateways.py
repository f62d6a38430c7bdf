"""Is each server of a gateway served? That depends on older gateways of the same routers, Secrets and rules."""

from collections.abc import Iterator

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.gateways import Gateway, Server, ServerProtocol
from mirrorplane.api.proxy import Scope
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Check
from mirrorplane.translators.routers.l4_routes import l4_rules
from mirrorplane.translators.routers.servers import merge_servers, selected_scope


def gateway(view: View, gateway: Gateway) -> tuple[Finding, ...]:
    """Return what keeps servers from being served, by a router that has just the labels that the gateway selects."""
    scope = selected_scope(view, gateway)
    return (*_conflicts(view, gateway, scope), *_missing_secrets(view, gateway), *_missing_rules(view, gateway, scope))


def _conflicts(view: View, gateway: Gateway, scope: Scope) -> Iterator[Finding]:
    for unserved in view.memo(merge_servers, scope).unserved:
        if unserved.about == gateway.ref:
            message, path = f"no listener is opened for this server: {unserved.reason}", unserved.server.path
            yield Finding(gateway.ref, "GatewayConflict", message, path, fix="use another port or other hosts")


def _missing_secrets(view: View, gateway: Gateway) -> Iterator[Finding]:
    """Look for Secrets in every namespace: it has to be that of the routers, which is not known here."""
    for server in gateway.servers:
        termination = server.termination
        if termination is None or termination.referrer is not None:
            continue
        for name in termination.credentials:
            if not _exists(view, name):
                message = f"no Secret {name} with a certificate and a key; no listener is opened for this server"
                path = f"{server.path}.{server.credential_path}"
                fix = "create it in the routers' namespace"
                yield Finding(gateway.ref, "CredentialNotFound", message, path, fix=fix)


def _exists(view: View, name: str) -> bool:
    namespace, _, bare = name.rpartition("/")
    credentials = (c for obj in view.by("credential.name", bare) for c in view.lowered(obj.ref).credentials)
    return any(c.chain and namespace in {"", c.ref.namespace} for c in credentials)


def _missing_rules(view: View, gateway: Gateway, scope: Scope) -> Iterator[Finding]:
    """Report L4 servers without rules: unlike HTTP, which answers 404, they have nothing to forward to."""
    for binding in view.memo(merge_servers, scope).bindings:
        for gateway_server in binding.gateway_servers:
            is_own = gateway_server.about == gateway.ref
            if not is_own or gateway_server.server.protocol is ServerProtocol.HTTP:
                continue
            if not view.memo(l4_rules, scope, gateway_server):
                yield _without_rules(gateway, gateway_server.server)


def _without_rules(gateway: Gateway, server: Server) -> Finding:
    if gateway.api:
        message, fix = "no route is attached to this listener; it is not opened", "attach one"
    else:
        field = "tls" if server.tls and server.termination is None else "tcp"
        message = f"no VirtualService of this gateway has a {field} rule for this server; no listener is opened for it"
        fix = f"write one under spec.{field}"
    return Finding(gateway.ref, "NoRules", message, server.path, Severity.WARNING, fix)


CHECK = Check(gateway=gateway)
