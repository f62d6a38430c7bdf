"""BackendObjectReference -> Destination: Services, also of other namespaces where a ReferenceGrant allows it."""

from collections.abc import Iterator
from typing import Any

import msgspec

from mirrorplane.api.actions import Destination, DestinationFields
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
from mirrorplane.translators.gateway_api.references import RefProblem, find_service, grant_problem
from mirrorplane.translators.lookups.endpoints import port_of
from mirrorplane.translators.lookups.policies import cluster_policy
from mirrorplane.translators.lookups.reachability import port_problem
from mirrorplane.translators.names import outbound_cluster
from mirrorplane.translators.port_protocols import protocol_of_token

_HTTP_KINDS = frozenset((HTTP_ROUTE.key, GRPC_ROUTE.key))
_WEBSOCKET, _WEBSOCKET_TLS = "kubernetes.io/ws", "kubernetes.io/wss"
_NOT_FOUND = "BackendNotFound"
_FIELDS = DestinationFields(host="name", port="port", subset="")


class Referrer(msgspec.Struct, frozen=True):
    """The object that refers to a backend, and the field in which it does.

    `grpc`: it sends gRPC there. `mesh`: on behalf of clients of a Service that is its parent, and not of a Gateway's.
    """

    about: Ref
    path: str
    grpc: bool = False
    mesh: bool = False

    @property
    def sends_http(self) -> bool:
        """Whether requests are sent there, and not connections or datagrams."""
        return self.about.kind in _HTTP_KINDS


def destination_of(view: View, referrer: Referrer, ref: BackendObjectReference) -> Destination:
    """Return the destination, whether it exists or not.

    Gateway API: a backend of a GRPCRoute is sent HTTP/2, whatever protocol its port declares.
    """
    host = fqdn(ref.name, ref.namespace or referrer.about.namespace)
    port = _port(find_service(view, _target(referrer, ref)), ref) if referrer.grpc else None
    # A cluster of its own, because HTTP/1.1 clients may use the same port (decision 0109).
    http2 = port is not None and port.protocol is not Protocol.HTTP2
    return Destination(host, port=ref.port or 0, path=referrer.path, http2=http2, fields=_FIELDS)


def backend_problem(view: View, referrer: Referrer, ref: BackendObjectReference) -> RefProblem | None:
    """Return why nothing can be sent to a backend, in Gateway API's reasons; None if it can.

    These are the problems for which a backend `fails`, whatever Gateway serves it. What depends on the Gateway's
    namespace (which Services are exported to it, which policy applies) is left to the check of destinations: there each
    table, one for each listener, is checked as its own routers see it, and an unusable policy has to stay a 503 of the
    cluster. A `fails` backend is answered 500.
    """
    if (ref.group, ref.kind) != ("", "Service"):
        return RefProblem("InvalidKind", "kind", f"{ref.kind} is not supported as a backend", "use a Service")
    target = _target(referrer, ref)
    # GEP-1294: in a mesh anyone may call the Service already, and a route exposes it to no one else.
    if not referrer.mesh and (problem := grant_problem(view, referrer.about, target)):
        return problem
    service = find_service(view, target)
    if service is None:
        return _missing(view, target)
    udp = referrer.about.kind == UDP_ROUTE.key
    if missing := port_problem(service, str(target), ref.port or 0, udp=udp):
        return RefProblem(_NOT_FOUND, "port", missing.message, "use one of its ports")
    port = _port(service, ref, udp=udp)
    if port is not None and referrer.sends_http and (why := _protocol_problem(view, referrer, service, port)):
        message = f"port {port.number} of {target} has appProtocol {port.app_protocol}, {why}"
        return RefProblem("UnsupportedProtocol", "port", message)
    return None


def backend_findings(about: Ref, path: str, ref: BackendObjectReference) -> Iterator[Finding]:
    """Report what the API server rejects, in its words."""
    if (ref.group, ref.kind) == ("", "Service") and ref.port is None:
        yield Finding(about, "InvalidBackend", "Must have port for Service reference", f"{path}.port")


def service_keys(obj: AnyObject) -> Iterator[str]:
    """Yield the Services that a route of any kind refers to, each once, as keys of the index `route.service`."""
    refs = (ref for rule in obj.spec.rules for ref in _references(rule))
    yield from dict.fromkeys(str(Ref(SERVICE.key, ref.namespace or obj.ref.namespace, ref.name)) for ref in refs)


def _references(rule: Any) -> Iterator[BackendObjectReference]:
    """Yield the backends of a rule, and those of its filters: mirrors and external authorization."""
    for place in (rule, *rule.backend_refs):
        for spec in getattr(place, "filters", ()):
            configs = (spec.request_mirror, getattr(spec, "external_auth", None))
            yield from (config.backend_ref for config in configs if config is not None)
    yield from rule.backend_refs


def _missing(view: View, target: Ref) -> RefProblem:
    if view.get(target) is None:
        return RefProblem(_NOT_FOUND, "name", f"{target} not found", "correct the name, or create it")
    return RefProblem(_NOT_FOUND, "name", f"{target} is an ExternalName, which is not supported as a backend")


def _protocol_problem(view: View, referrer: Referrer, service: Service, port: Port) -> str:
    """Return why requests cannot be sent by a port's appProtocol, as a relative clause; "" when they can.

    Gateway API: a port without appProtocol is taken to speak the protocol of the route.
    """
    protocol = port.app_protocol
    if not protocol:
        return ""
    kind = protocol_of_token(protocol)
    if kind is None or kind in {Protocol.TCP, Protocol.UDP}:
        return "which is not supported"
    if referrer.grpc and protocol in {_WEBSOCKET, _WEBSOCKET_TLS}:
        return "which cannot carry gRPC"
    # As a proxy sees it from the route's namespace: a DestinationRule there may configure TLS as well.
    client = ClientKey(Visibility(referrer.about.namespace), router=not referrer.mesh)
    cluster = outbound_cluster(service.host, port.number)
    if protocol == _WEBSOCKET_TLS and not cluster_policy(view, client, cluster).uses_tls:
        return "which needs TLS, and no BackendTLSPolicy or DestinationRule configures it"
    return ""


def _target(referrer: Referrer, ref: BackendObjectReference) -> Ref:
    return Ref(SERVICE.key, ref.namespace or referrer.about.namespace, ref.name)


def _port(service: Service | None, ref: BackendObjectReference, *, udp: bool = False) -> Port | None:
    return port_of(service, ref.port, udp=udp) if service is not None and ref.port is not None else None
