"""How a router secures the line to a port of a service: the policy for the port, else the one for all of them."""

import msgspec

from mirrorplane.api.cluster_policy import Tls
from mirrorplane.api.mesh import Port, Protocol, Service
from mirrorplane.api.proxy import ClientKey
from mirrorplane.api.traffic_policy import BackendTls
from mirrorplane.api.view import View
from mirrorplane.translators.lookups import services
from mirrorplane.translators.names import ClusterName, Purpose, Transport
from mirrorplane.translators.secrets import referenced_secrets


def client_tls(view: View, client: ClientKey, to: ClusterName) -> Tls | None:
    """Return how a caller secures the line to a port; None when no policy is about it.

    Datagrams have no TLS, and what is passed on is TLS already.

    Gateway API: the certificate of its Gateway is shown only there.
    """
    if to.transport is Transport.UDP or to.purpose is Purpose.PASSTHROUGH:
        return None
    service = view.memo(services.find_service, client.visibility, to.host)
    ports = service.ports if service is not None else ()
    port = next((p for p in ports if p.number == to.port and p.protocol is not Protocol.UDP), None)
    found = find_backend_tls(view, service, port) if service is not None and port is not None else None
    if found is None or client.shows is None:
        return found.tls if found is not None else None
    return msgspec.structs.replace(
        found.tls, client_certificate_ref=view.memo(referenced_secrets.client_certificate, client.shows)
    )


def find_backend_tls(view: View, service: Service, port: Port) -> BackendTls | None:
    """Return the policy for a port of a service. Gateway API: its own goes first, then the oldest."""
    found = [
        said
        for obj in view.by("service.tls", str(service.ref))
        for said in view.lowered(obj.ref).backend_tls
        if said.service == service.ref and said.port in {"", port.name}
    ]
    return min(found, key=lambda said: (not said.port, *said.age), default=None)
