"""Do all declarations of a host agree on the protocols of its ports? One of them serves, and its protocol applies."""

from collections.abc import Iterator

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.hosts import exported
from mirrorplane.api.mesh import Port, Service
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Check


def service(view: View, service: Service) -> tuple[Finding, ...]:
    """Return a warning for each port that an older declaration of the host has with another protocol (IST0177)."""
    return tuple(finding for i, port in enumerate(service.ports) for finding in _conflicts(view, service, i, port))


def _conflicts(view: View, service: Service, i: int, port: Port) -> Iterator[Finding]:
    for older in _older_declarations(view, service):
        for older_port in older.ports:
            if older_port.number == port.number and older_port.protocol is not port.protocol:
                protocol = older_port.protocol.value
                message = f"{older.ref} declares protocol {protocol} for port {port.number} of {service.host}"
                fix = "declare the same protocol in both"
                yield Finding(service.ref, "ProtocolConflict", message, f"spec.ports[{i}]", Severity.WARNING, fix)


def _older_declarations(view: View, service: Service) -> Iterator[Service]:
    refs = (obj.ref for obj in view.by("service.host", service.host) if obj.ref != service.ref)
    for declared in (declared for ref in refs for declared in view.lowered(ref).services):
        is_older = (declared.created, declared.ref) < (service.created, service.ref)
        if declared.host != service.host or not is_older:
            continue
        if exported(declared.export_to, declared.namespace, service.namespace):
            yield declared


CHECK = Check(service=service)
