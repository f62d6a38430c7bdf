"""How a router originates TLS to a port of a service (Gateway API: BackendTLSPolicy). See decision 0091."""

import msgspec

from mirrorplane.api.cluster_policy import Tls
from mirrorplane.api.mesh import Port, Service
from mirrorplane.api.proxy import ClientKey
from mirrorplane.api.traffic_policy import BackendTls
from mirrorplane.api.view import View
from mirrorplane.translators.lookups import services
from mirrorplane.translators.lookups.endpoints import port_of
from mirrorplane.translators.names import ClusterName, Purpose, Transport
from mirrorplane.translators.secrets import referenced_secrets


def client_tls(view: View, client: ClientKey, cluster: ClusterName) -> Tls | None:
    """Return how a router originates TLS to a cluster; None when no policy applies.

    Datagrams have no TLS, and passthrough traffic is TLS already. Gateway API: a Gateway's client certificate is shown
    only to backends with a BackendTLSPolicy.
    """
    if cluster.transport is Transport.UDP or cluster.purpose is Purpose.PASSTHROUGH:
        return None
    service = view.memo(services.find_service, client.visibility, cluster.host)
    port = port_of(service, cluster.port) if service is not None else None
    policy = find_backend_tls(view, service, port) if service is not None and port is not None else None
    if policy is None or client.client_certificate_gateway is None:
        return policy.tls if policy is not None else None
    certificate = view.memo(referenced_secrets.client_certificate, client.client_certificate_gateway)
    return msgspec.structs.replace(policy.tls, client_certificate_ref=certificate)


def find_backend_tls(view: View, service: Service, port: Port) -> BackendTls | None:
    """Return the policy for a port of a service. Gateway API: the port's own before the service's, then the oldest."""
    policies = [
        policy
        for obj in view.by("service.tls", str(service.ref))
        for policy in view.lowered(obj.ref).backend_tls
        if policy.service == service.ref and policy.port in {"", port.name}
    ]
    return min(policies, key=lambda policy: (not policy.port, *policy.age), default=None)
