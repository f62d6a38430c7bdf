"""What one router does not do that its objects ask for, as findings about them: it depends on the router.

The checks of gateways see only objects. Whether a router has proved its identity, which ports it may open and which
namespace it is in is known when it connects.
"""

from collections.abc import Iterator

from mirrorplane.api.cluster_policy import ClusterPolicy
from mirrorplane.api.finding import Finding
from mirrorplane.api.proxy import ROUTER, Scope
from mirrorplane.api.traffic_policy import TrafficPolicy
from mirrorplane.api.view import View
from mirrorplane.translators.lookups.policies import find_policy
from mirrorplane.translators.routers.servers import UnservedServer, unserved_servers, withheld_secrets

_NO_GATEWAY = "no Gateway selects the router, and Secrets are sent only to routers of one"


def router_findings(view: View, scope: Scope) -> tuple[Finding, ...]:
    """Return what keeps routers of a scope from opening listeners, and from originating TLS with Secrets.

    Nothing for sidecars, which never get Secrets: that is reported at the DestinationRule, whoever connects.
    """
    if scope.role != ROUTER:
        return ()
    servers = tuple(server_finding(scope, server) for server in unserved_servers(view, scope))
    return (*servers, *_unsent_credentials(view, scope), *_unsent_certificates(view, scope))


def server_finding(scope: Scope, unserved: UnservedServer) -> Finding:
    """Return the finding about a server that routers of a scope do not serve."""
    server = unserved.server
    message = f"no listener on port {server.number} at routers of namespace {scope.namespace}: {unserved.reason}"
    return Finding(unserved.about, "ListenerNotOpened", message, server.path, fix=unserved.fix)


def _unsent_credentials(view: View, scope: Scope) -> Iterator[Finding]:
    """Yield the policies of the scope's calls that cannot be applied without a Secret."""
    if scope.secret_gateways:
        return
    gateway = next(iter(scope.gateways), None)
    reason, fix = withheld_secrets(view, scope, gateway) if gateway is not None else (_NO_GATEWAY, "")
    for obj in view.by("policy.credential", "*"):
        for policy in view.lowered(obj.ref).policies:
            if _applies(view, scope, policy) and any(map(_needs_secret, policy.cluster_policies)):
                message = (
                    f"requests to {policy.host} of routers of namespace {scope.namespace} get 503, and nothing is"
                    f" mirrored there: {reason}"
                )
                yield Finding(policy.ref, "CredentialNotSent", message, "spec.trafficPolicy", fix=fix)


def _applies(view: View, scope: Scope, policy: TrafficPolicy) -> bool:
    winner = view.memo(find_policy, scope.client, policy.host)
    return winner is not None and winner.ref == policy.ref


def _needs_secret(policy: ClusterPolicy) -> bool:
    """Tell whether a policy leaves nothing to send to only because a Secret is missing."""
    return bool(policy.tls_problem(holds_secrets=False)) and not policy.tls_problem(holds_secrets=True)


def _unsent_certificates(view: View, scope: Scope) -> Iterator[Finding]:
    """Yield the gateways whose routers cannot show their client certificate to backends."""
    for ref in (ref for ref in scope.gateways if ref not in scope.secret_gateways):
        if any(gateway.client_certificate for gateway in view.lowered(ref).gateways):
            reason, fix = withheld_secrets(view, scope, ref)
            message = f"routers of namespace {scope.namespace} present no certificate to backends: {reason}"
            yield Finding(ref, "CredentialNotSent", message, "spec.tls.backend.clientCertificateRef", fix=fix)
