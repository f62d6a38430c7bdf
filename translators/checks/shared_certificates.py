"""Certificates that servers of several gateways share: clients reuse a connection for every host that one covers.

A reused connection stays at the server that TLS chose by name, and the hosts of the other server are not found there.
Not for Gateway API, whose listeners answer 421 then, so that clients connect anew: see misdirected.
"""

from collections.abc import Iterator, Mapping

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.gateways import Gateway, Server, ServerProtocol
from mirrorplane.api.meta import Ref
from mirrorplane.api.proxy import Scope
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Check
from mirrorplane.translators.routers.servers import merge_servers, selected_scope

Certificate = tuple[int, object]
"""A port of routers, and what a server there has its certificate from."""


def gateway(view: View, gateway: Gateway) -> tuple[Finding, ...]:
    """Return a warning for each server whose certificate another gateway of the routers has too (Istio IST0138)."""
    certificates = tuple((server, _certificate(server)) for server in gateway.servers)
    if not any(certificate for _, certificate in certificates):
        return ()
    scope = selected_scope(view, gateway)
    sharing = view.memo(_sharing, scope)
    unserved = {u.server.path for u in view.memo(merge_servers, scope).unserved if u.about == gateway.ref}
    return tuple(
        _finding(gateway.ref, server, other)
        for server, certificate in certificates
        if certificate is not None and server.path not in unserved
        for other in [ref for ref in sharing.get(certificate, ()) if ref != gateway.ref][:1]
    )


def _sharing(view: View, scope: Scope) -> Mapping[Certificate, tuple[Ref, ...]]:
    """Return two gateways for each certificate: whichever looks itself up finds another one among two."""
    sharing: dict[Certificate, tuple[Ref, ...]] = {}
    for about, certificate in _certificates(view, scope):
        refs = sharing.get(certificate, ())
        sharing[certificate] = refs if about in refs else (*refs, about)[:2]
    return sharing


def _certificates(view: View, scope: Scope) -> Iterator[tuple[Ref, Certificate]]:
    for binding in view.memo(merge_servers, scope).bindings:
        for gateway_server in binding.gateway_servers:
            certificate = _certificate(gateway_server.server)
            if certificate is not None:
                yield gateway_server.about, certificate


def _certificate(server: Server) -> Certificate | None:
    """Return the certificate of a server that clients may reuse connections of: HTTP over TLS, in Istio's API."""
    termination = server.termination
    if termination is None or server.isolated or server.protocol is not ServerProtocol.HTTP:
        return None
    source = termination.files or termination.credentials
    return (server.number, source) if source else None


def _finding(about: Ref, server: Server, other: Ref) -> Finding:
    message = (
        f"{other} has the same certificate on port {server.number}: clients that reuse an HTTP/2 connection to one for"
        " a host of the other get 404"
    )
    fix = "write the hosts into one server, or use a certificate for each"
    path = f"{server.path}.{server.credential_path if server.termination and not server.termination.files else 'tls'}"
    return Finding(about, "SharedCertificate", message, path, Severity.WARNING, fix)


CHECK = Check(gateway=gateway)
