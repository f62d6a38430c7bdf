"""Does a Service of its routers expose each port of a gateway (Istio IST0162)? Else clients cannot connect to it."""

from collections.abc import Iterator

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.gateways import Gateway
from mirrorplane.api.mesh import Service
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Check
from mirrorplane.translators.lookups.workload_selectors import selected_workloads
from mirrorplane.translators.sidecars.inbound import target_ports, workload_services


def gateway(view: View, gateway: Gateway) -> tuple[Finding, ...]:
    """Return a warning for each server whose port no Service of the routers has, neither as port nor as target port.

    Only where Pods of the gateway's namespace are its routers, and Services select them: gateways select routers
    in every namespace, and a router may be reached without a Service.
    """
    if gateway.api:
        return ()
    services = tuple(dict.fromkeys(_services(view, gateway)))
    exposed = {number for service in services for number in _numbers(view, service)}
    if not exposed:
        return ()
    ports = ", ".join(str(number) for number in sorted(exposed))
    names = ", ".join(sorted(service.ref.name for service in services))
    return tuple(
        Finding(
            gateway.ref,
            "GatewayPortNotExposed",
            f"port {server.number} is not exposed by {names}, which selects the routers and has the ports {ports}:"
            " clients cannot connect to it by a Service",
            f"{server.path}.port.number",
            Severity.WARNING,
            f"add a port {server.number} to the Service, or use one of its ports",
        )
        for server in gateway.servers
        if server.number not in exposed
    )


def _services(view: View, gateway: Gateway) -> Iterator[Service]:
    namespace = gateway.ref.namespace
    for _, workload in selected_workloads(view, namespace, gateway.selector):
        yield from view.memo(workload_services, namespace, workload.labels)


def _numbers(view: View, service: Service) -> Iterator[int]:
    for port in service.ports:
        yield port.number
        yield from view.memo(target_ports, service, port)


CHECK = Check(gateway=gateway)
