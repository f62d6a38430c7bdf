"""Are the ports of a ServiceEntry served, where another object has its host too? Only some are merged (Istio)."""

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.mesh import Service
from mirrorplane.api.proxy import Visibility
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Check
from mirrorplane.translators.lookups import services
from mirrorplane.translators.lookups.service_entries import merge_problem


def service(view: View, service: Service) -> tuple[Finding, ...]:
    """Return a warning where the ports of a service are not merged into the one that its own namespace sees."""
    winner = view.memo(services.find_service, Visibility(service.namespace), service.host)
    if winner is None or winner.ref == service.ref:
        return ()
    lost = [str(port.number) for port in service.ports if port.number not in {p.number for p in winner.ports}]
    field = merge_problem(winner, service)
    if not lost or not field:
        return ()
    message = f"{winner.ref} has {service.host} too, with another {field}: the ports {', '.join(lost)} are not served"
    fix = "declare all ports of the host in one object"
    return (Finding(service.ref, "PortsNotMerged", message, "spec.ports", Severity.WARNING, fix),)


CHECK = Check(service=service)
