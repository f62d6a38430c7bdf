"""Do all that declare a host agree on what its ports speak? One of them serves, and its word holds for all."""

from collections.abc import Iterator

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.hosts import exported
from mirrorplane.api.mesh import Port, Service
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Check


def service(view: View, said: Service) -> tuple[Finding, ...]:
    """Return a warning for each port that an older declaration of the host has with another protocol (IST0177)."""
    return tuple(f for i, port in enumerate(said.ports) for f in _contradicted(view, said, i, port))


def _contradicted(view: View, said: Service, i: int, port: Port) -> Iterator[Finding]:
    for obj in view.by("service.host", said.host):
        for other in view.lowered(obj.ref).services if obj.ref != said.ref else ():
            older = (other.created, other.ref) < (said.created, said.ref)
            seen = other.host == said.host and exported(other.export_to, other.namespace, said.namespace)
            for its in other.ports if older and seen else ():
                if its.number == port.number and its.protocol is not port.protocol:
                    message = f"{other.ref} says that port {port.number} of {said.host} speaks {its.protocol.value}"
                    fix = "say the same protocol in both"
                    yield Finding(said.ref, "ProtocolConflict", message, f"spec.ports[{i}]", Severity.WARNING, fix)


CHECK = Check(service=service)
