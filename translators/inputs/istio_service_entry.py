"""Istio ServiceEntry -> Service, with its inline endpoints."""

from collections.abc import Iterable, Iterator

from mirrorplane.api.finding import Finding
from mirrorplane.api.hosts import collapsed, is_unix, literal
from mirrorplane.api.kinds.istio import service_entry as istio
from mirrorplane.api.mesh import Endpoint, EndpointGroup, Lowered, Port, Protocol, Resolution, Service
from mirrorplane.api.meta import Object
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Input
from mirrorplane.translators.istio.service_entries import entry_findings
from mirrorplane.translators.istio.workloads import locality_of
from mirrorplane.translators.local_endpoints import local_endpoint
from mirrorplane.translators.partitions import (
    address_keys,
    export_keys,
    namespace_keys,
    ref_partition,
    selector_keys,
    selector_partitions,
)
from mirrorplane.translators.port_protocols import protocol_of_token
from mirrorplane.translators.settings import mesh

_DNS = ("DNS", "DNS_ROUND_ROBIN")
_RESOLUTIONS = {
    "NONE": Resolution.NONE,
    "STATIC": Resolution.ENDPOINTS,
    "DNS": Resolution.DNS,
    "DNS_ROUND_ROBIN": Resolution.DNS_ROUND_ROBIN,
}


def lower(view: View, obj: Object[istio.ServiceEntry]) -> Lowered:
    """Return one service for each host. Hosts are taken literally: a ServiceEntry has no short names (Istio)."""
    spec = obj.spec
    ports = tuple(_port(p) for p in spec.ports)
    findings = tuple(_local_findings(view, obj))
    local = {finding.path for finding in findings}
    endpoints = tuple(e for i, e in enumerate(spec.endpoints) if e.address and _endpoint_path(i) not in local)
    services = tuple(
        Service(
            host=literal(host),
            namespace=obj.ref.namespace,
            ports=ports,
            ref=obj.ref,
            addresses=_addresses(obj),
            resolution=_RESOLUTIONS[spec.resolution],
            lists_endpoints=bool(spec.endpoints),
            selector=tuple(sorted(_selector(obj).items())),
            export_to=spec.export_to or view.memo(mesh).services_export_to,
            created=obj.created,
            subject_alt_names=spec.subject_alt_names,
        )
        for i, host in enumerate(spec.hosts)
        if _host_path(i) not in local
    )
    groups = tuple(EndpointGroup(obj.ref, p.name, tuple(_endpoints(endpoints, p))) for p in spec.ports)
    return Lowered(services=services, endpoints=groups, findings=findings)


def validate(obj: Object[istio.ServiceEntry]) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses."""
    return entry_findings(obj)


def _port(port: istio.Port) -> Port:
    return Port(port.number, port.name, protocol_of_token(port.protocol) or Protocol.AUTO, port.target_port)


def _local_findings(view: View, obj: Object[istio.ServiceEntry]) -> Iterator[Finding]:
    """Report endpoints on the proxy's own machine, and hosts there that DNS would resolve to be the endpoint."""
    for i, endpoint in enumerate(obj.spec.endpoints):
        if finding := local_endpoint(view, obj.ref, _endpoint_path(i), endpoint.address):
            yield finding
    if _resolves_hosts(obj.spec):
        for i, host in enumerate(obj.spec.hosts):
            if finding := local_endpoint(view, obj.ref, _host_path(i), host):
                yield finding


def _resolves_hosts(spec: istio.ServiceEntry) -> bool:
    return spec.resolution in _DNS and not spec.endpoints and not spec.workload_selector


def _endpoint_path(i: int) -> str:
    return f"spec.endpoints[{i}].address"


def _host_path(i: int) -> str:
    return f"spec.hosts[{i}]"


def _endpoints(endpoints: Iterable[istio.WorkloadEntry], port: istio.Port) -> Iterator[Endpoint]:
    for endpoint in endpoints:
        yield Endpoint(
            locality=locality_of(endpoint.locality),
            address=endpoint.address,
            port=0 if is_unix(endpoint.address) else endpoint.ports.get(port.name) or port.target_port or port.number,
            labels=tuple(sorted(endpoint.labels.items())),
            # 0 is unset, and then 1 (Istio).
            weight=endpoint.weight or 1,
        )


def _hosts(obj: Object[istio.ServiceEntry]) -> Iterable[str]:
    return (literal(host) for host in obj.spec.hosts)


def _places(obj: Object[istio.ServiceEntry]) -> Iterable[str]:
    return export_keys(obj.spec.export_to, obj.ref.namespace, _hosts(obj))


def _owners(obj: Object[istio.ServiceEntry]) -> Iterable[str]:
    return namespace_keys(obj.ref.namespace, _hosts(obj))


def _self(obj: Object[istio.ServiceEntry]) -> Iterable[str]:
    return (str(obj.ref),)


def _addresses(obj: Object[istio.ServiceEntry]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(collapsed, obj.spec.addresses)))


def _selects(obj: Object[istio.ServiceEntry]) -> Iterable[str]:
    return selector_keys(obj.ref.namespace, _selector(obj))


def _partitions(obj: Object[istio.ServiceEntry]) -> Iterable[str]:
    return selector_partitions(_hosts(obj), _selector(obj))


def _endpoint_addresses(obj: Object[istio.ServiceEntry]) -> Iterable[str]:
    return address_keys(obj.ref.namespace, {endpoint.address for endpoint in obj.spec.endpoints if endpoint.address})


def _endpoint_partition(obj: Object[istio.ServiceEntry]) -> Iterable[str]:
    return (ref_partition(obj.ref),) if obj.spec.endpoints else ()


def _unresolved(obj: Object[istio.ServiceEntry]) -> Iterable[str]:
    return ("*",) if _RESOLUTIONS[obj.spec.resolution] is Resolution.NONE else ()


def _selector(obj: Object[istio.ServiceEntry]) -> dict[str, str]:
    return obj.spec.workload_selector.labels if obj.spec.workload_selector else {}


INPUT = Input(
    kinds=(istio.SERVICE_ENTRY,),
    lower=lower,
    validate=validate,
    indexes={
        "services": _places,
        "services.by_namespace": _owners,
        "service.host": _hosts,
        "service.address": _addresses,
        "service.unresolved": _unresolved,
        "selector": _selects,
        "selector.partition": _partitions,
        "endpoints.service": _self,
        "workload.address": _endpoint_addresses,
        "workload.address.partition": _endpoint_partition,
    },
)
