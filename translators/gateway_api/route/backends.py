"""BackendObjectReference -> Destination: Services, also of other namespaces where these grant it."""

from collections.abc import Iterator
from typing import Any

import msgspec

from mirrorplane.api.actions import Destination
from mirrorplane.api.finding import Finding
from mirrorplane.api.hosts import fqdn
from mirrorplane.api.kinds.gateway_api.grpc_route import GRPC_ROUTE
from mirrorplane.api.kinds.gateway_api.http_route import HTTP_ROUTE
from mirrorplane.api.kinds.gateway_api.references import BackendObjectReference
from mirrorplane.api.kinds.gateway_api.udp_route import UDP_ROUTE
from mirrorplane.api.kinds.kube import SERVICE
from mirrorplane.api.mesh import Port, Protocol, Service
from mirrorplane.api.meta import AnyObject, Ref
from mirrorplane.api.proxy import ClientKey, Visibility
from mirrorplane.api.view import View
from mirrorplane.translators.lookups.policies import cluster_policy, port_of
from mirrorplane.translators.names import outbound_cluster
from mirrorplane.translators.port_protocols import by_token
from mirrorplane.translators.secrets.reference_grants import permitted

_OF_REQUESTS = frozenset((HTTP_ROUTE.key, GRPC_ROUTE.key))
_SOCKETS, _SECURE_SOCKETS = "kubernetes.io/ws", "kubernetes.io/wss"


class Use(msgspec.Struct, frozen=True):
    """The object that names a backend, and the field in which it does. `grpc`: gRPC is spoken to it."""

    about: Ref
    path: str
    grpc: bool = False

    @property
    def by_requests(self) -> bool:
        """Whether requests are sent to it, and not bytes that nobody reads."""
        return self.about.kind in _OF_REQUESTS


def destination_of(view: View, use: Use, said: BackendObjectReference) -> Destination:
    """Return the destination, whether it is there or not.

    Gateway API: what gRPC is sent to speaks HTTP/2, whatever its port says.
    """
    host = fqdn(said.name, said.namespace or use.about.namespace)
    found = _port(_service(view, use, said), said) if use.grpc else None
    http2 = found is not None and found.protocol is not Protocol.HTTP2
    return Destination(host, port=said.port or 0, path=use.path, http2=http2)


def problem(view: View, use: Use, said: BackendObjectReference) -> tuple[str, str, str]:
    """Return why nothing can be sent to a backend: reason, field and sentence; ("", "", "") if it can."""
    if (said.group, said.kind) != ("", "Service"):
        return "InvalidKind", "kind", f"a {said.kind} cannot be sent to, only a Service"
    about, ref = use.about, _ref(use, said)
    if not permitted(view, about, ref):
        kind = about.kind.rpartition("/")[2]
        sentence = f"no ReferenceGrant in namespace {ref.namespace} lets {kind}s of {about.namespace} refer to {ref}"
        return "RefNotPermitted", "namespace", sentence
    service = _service(view, use, said)
    if service is None:
        return "BackendNotFound", "name", f"there is no {ref} that requests can be sent to"
    udp = about.kind == UDP_ROUTE.key
    port = _port(service, said, udp=udp)
    if said.port is not None and port is None:
        known = ", ".join(_shown(port) for port in service.ports)
        what = f"port {said.port} for UDP" if udp else f"port {said.port}"
        return "BackendNotFound", "port", f"{ref} has no {what} (it has {known or 'none'})"
    if port is not None and use.by_requests and (why := _unspoken(view, use, service, port)):
        return "UnsupportedProtocol", "port", f"port {port.number} of {ref} has the appProtocol {why}"
    return "", "", ""


def _shown(port: Port) -> str:
    return f"{port.number} for UDP" if port.protocol is Protocol.UDP else str(port.number)


def backend_findings(about: Ref, path: str, said: BackendObjectReference) -> Iterator[Finding]:
    """Refuse what the API server refuses."""
    if (said.group, said.kind) == ("", "Service") and said.port is None:
        yield Finding(about, "InvalidBackend", "Must have port for Service reference", f"{path}.port")


def services_of(obj: AnyObject) -> Iterator[str]:
    """Yield the Services that a route of any kind sends or copies to, each once, as an index files it under them."""
    said = (to for rule in obj.spec.rules for to in _named(rule))
    yield from dict.fromkeys(str(Ref(SERVICE.key, to.namespace or obj.ref.namespace, to.name)) for to in said)


def _named(rule: Any) -> Iterator[BackendObjectReference]:
    """Yield the backends of a rule, and those that filters send to: mirrors, and who is asked if a request may pass."""
    for place in (rule, *rule.backend_refs):
        for one in getattr(place, "filters", ()):
            found = (one.request_mirror, getattr(one, "external_auth", None))
            yield from (said.backend_ref for said in found if said is not None)
    yield from rule.backend_refs


def _unspoken(view: View, use: Use, service: Service, port: Port) -> str:
    """Say which protocol of a port cannot be spoken here, and why; "" when it can.

    Gateway API: a port that says nothing of it is taken to speak what the route is about.
    """
    said = port.app_protocol
    if not said:
        return ""
    known = by_token(said)
    if known is None or known in {Protocol.TCP, Protocol.UDP}:
        return f"{said}, which is not spoken here"
    if use.grpc and said in {_SOCKETS, _SECURE_SOCKETS}:
        return f"{said}, by which no gRPC is spoken"
    client = ClientKey(Visibility(use.about.namespace), router=True)
    if (
        said == _SECURE_SOCKETS
        and not cluster_policy(view, client, outbound_cluster(service.host, port.number)).uses_tls
    ):
        return f"{said}, and nothing says how TLS is spoken to it"
    return ""


def _ref(use: Use, said: BackendObjectReference) -> Ref:
    return Ref(SERVICE.key, said.namespace or use.about.namespace, said.name)


def _service(view: View, use: Use, said: BackendObjectReference) -> Service | None:
    return next(iter(view.lowered(_ref(use, said)).services), None)


def _port(service: Service | None, said: BackendObjectReference, *, udp: bool = False) -> Port | None:
    return port_of(service, said.port, datagrams=udp) if service is not None and said.port is not None else None
