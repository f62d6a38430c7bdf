"""BackendObjectReference -> Destination: Services, also of other namespaces where these grant it."""

from collections.abc import Iterator
from typing import Any

from api.actions import Destination
from api.finding import Finding
from api.hosts import fqdn
from api.kinds.gateway_api.references import BackendObjectReference
from api.kinds.gateway_api.udp_route import UDP_ROUTE
from api.kinds.kube import SERVICE
from api.mesh import Port, Protocol
from api.meta import AnyObject, Ref
from api.view import View
from translators.gateway_api.grants import permitted
from translators.lookups import port_of


def destination_of(about: Ref, path: str, said: BackendObjectReference) -> Destination:
    """Return the destination, whether it is there or not."""
    host = fqdn(said.name, said.namespace or about.namespace)
    return Destination(host, port=said.port or 0, path=path)


def problem(view: View, about: Ref, said: BackendObjectReference) -> tuple[str, str, str]:
    """Return why nothing can be sent to a backend: reason, field and sentence; ("", "", "") if it can."""
    if (said.group, said.kind) != ("", "Service"):
        return "InvalidKind", "kind", f"a {said.kind} cannot be sent to, only a Service"
    ref = Ref(SERVICE.key, said.namespace or about.namespace, said.name)
    if not permitted(view, about, ref):
        kind = about.kind.rpartition("/")[2]
        sentence = f"no ReferenceGrant in namespace {ref.namespace} lets {kind}s of {about.namespace} refer to {ref}"
        return "RefNotPermitted", "namespace", sentence
    service = next(iter(view.lowered(ref).services), None)
    if service is None:
        return "BackendNotFound", "name", f"there is no {ref} that requests can be sent to"
    udp = about.kind == UDP_ROUTE.key
    if said.port is not None and port_of(service, said.port, datagrams=udp) is None:
        known = ", ".join(_shown(port) for port in service.ports)
        what = f"port {said.port} for UDP" if udp else f"port {said.port}"
        return "BackendNotFound", "port", f"{ref} has no {what} (it has {known or 'none'})"
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
