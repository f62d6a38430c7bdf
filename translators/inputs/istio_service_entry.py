"""Istio ServiceEntry -> Service, with the endpoints it states itself."""

from collections.abc import Iterable, Iterator

from api.finding import Finding, Severity
from api.hosts import host_problem, is_ip, is_range, literal
from api.kinds.istio import service_entry as istio
from api.mesh import Endpoint, EndpointGroup, Lowered, Port, Protocol, Resolution, Service
from api.meta import Object
from api.units import PORTS, WEIGHTS
from api.view import View
from translators.contract import Input
from translators.istio.localities import locality_of
from translators.istio.protocols import by_token
from translators.shards import owned, places, selected_by, selecting

_RESOLUTIONS = {
    "NONE": Resolution.NONE,
    "STATIC": Resolution.ENDPOINTS,
    "DNS": Resolution.DNS,
    "DNS_ROUND_ROBIN": Resolution.DNS_ROUND_ROBIN,
}
_DNS = ("DNS", "DNS_ROUND_ROBIN")


def lower(_: View, obj: Object[istio.ServiceEntry]) -> Lowered:
    """Return one service for each host. Hosts are taken literally: a ServiceEntry has no short names (Istio)."""
    spec = obj.spec
    ports = tuple(_port(p) for p in spec.ports)
    services = tuple(
        Service(
            host=literal(host),
            namespace=obj.ref.namespace,
            ports=ports,
            ref=obj.ref,
            addresses=spec.addresses,
            resolution=_RESOLUTIONS[spec.resolution],
            selector=tuple(sorted(_selector(obj).items())),
            export_to=spec.export_to or ("*",),
            external=spec.location != "MESH_INTERNAL",
            created=obj.created,
        )
        for host in spec.hosts
    )
    groups = tuple(EndpointGroup(obj.ref, p.name, tuple(_endpoints(spec, p))) for p in spec.ports)
    return Lowered(services=services, endpoints=groups)


def validate(obj: Object[istio.ServiceEntry]) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses."""
    spec = obj.spec
    if not spec.hosts:
        yield Finding(obj.ref, "NoHosts", "service entry must have at least one host", "spec.hosts")
    for i, host in enumerate(spec.hosts):
        if problem := host_problem(host) or ("invalid host *" if host == "*" else ""):
            yield Finding(obj.ref, "InvalidHost", problem, f"spec.hosts[{i}]")
    for i, address in enumerate(spec.addresses):
        if not is_range(address):
            yield Finding(obj.ref, "InvalidAddress", f"{address!r} is no IP address or CIDR", f"spec.addresses[{i}]")
    yield from _resolution_findings(obj)
    yield from _port_findings(obj)
    yield from _endpoint_findings(obj)


def _resolution_findings(obj: Object[istio.ServiceEntry]) -> Iterator[Finding]:
    spec = obj.spec
    if spec.workload_selector and spec.endpoints:
        message = "only one of WorkloadSelector or Endpoints is allowed in Service Entry"
        yield Finding(obj.ref, "TwoEndpointSources", message, "spec.endpoints")
    if spec.resolution not in _RESOLUTIONS:
        message = f"resolution {spec.resolution} is none of {', '.join(_RESOLUTIONS)}"
        yield Finding(obj.ref, "InvalidResolution", message, "spec.resolution")
    if spec.resolution == "NONE":
        message = (
            "without interception there is no address to pass on to: requests get 503, and nothing is mirrored there"
        )
        yield Finding(obj.ref, "NoAddress", message, "spec.resolution", Severity.WARNING, "use resolution: DNS")
    if spec.resolution == "NONE" and spec.endpoints:
        message = "no endpoints should be provided for resolution type none"
        yield Finding(obj.ref, "EndpointsUnused", message, "spec.endpoints")
    if spec.resolution in _DNS and not spec.endpoints and any(host.startswith("*") for host in spec.hosts):
        message = "hosts must be FQDN if no endpoints are provided for resolution mode DNS"
        yield Finding(obj.ref, "NothingToResolve", message, "spec.hosts")
    if spec.resolution == "DNS_ROUND_ROBIN" and len(spec.endpoints) > 1:
        message = "there must only be 0 or 1 endpoint for resolution mode DNS_ROUND_ROBIN"
        yield Finding(obj.ref, "TooManyEndpoints", message, "spec.endpoints")


def _port_findings(obj: Object[istio.ServiceEntry]) -> Iterator[Finding]:
    seen: set[int | str] = set()
    for i, port in enumerate(obj.spec.ports):
        path = f"spec.ports[{i}]"
        for field, number in (("number", port.number), ("targetPort", port.target_port or port.number)):
            if number not in PORTS:
                yield Finding(obj.ref, "InvalidPort", f"port {number} is not in 1..65535", f"{path}.{field}")
        if not port.name:
            yield Finding(obj.ref, "InvalidPort", "the port needs a name", f"{path}.name")
        for key in {port.number, port.name} & seen:
            yield Finding(obj.ref, "DuplicatePort", f"service entry port {key!r} already defined", path)
        seen |= {port.number, port.name}


def _endpoint_findings(obj: Object[istio.ServiceEntry]) -> Iterator[Finding]:
    for i, endpoint in enumerate(obj.spec.endpoints):
        path = f"spec.endpoints[{i}].address"
        if not endpoint.address:
            yield Finding(obj.ref, "InvalidEndpoint", "the endpoint has no address", path)
        elif obj.spec.resolution == "STATIC" and not is_ip(endpoint.address):
            message = f"{endpoint.address} is not an IP address, and STATIC resolution asks no DNS"
            yield Finding(obj.ref, "InvalidEndpoint", message, path, fix="use resolution: DNS")
        elif problem := host_problem(endpoint.address):
            yield Finding(obj.ref, "InvalidEndpoint", problem, path)
        for name, number in endpoint.ports.items():
            if number not in PORTS:
                message = f"port {number} is not in 1..65535"
                yield Finding(obj.ref, "InvalidEndpoint", message, f"spec.endpoints[{i}].ports.{name}")
        if endpoint.weight not in WEIGHTS:
            message = f"weight {endpoint.weight} is not in 0..{WEIGHTS[-1]}"
            yield Finding(obj.ref, "InvalidEndpoint", message, f"spec.endpoints[{i}].weight")


def _port(port: istio.Port) -> Port:
    return Port(port.number, port.name, by_token(port.protocol) or Protocol.AUTO, port.target_port)


def _endpoints(spec: istio.ServiceEntry, port: istio.Port) -> Iterator[Endpoint]:
    for endpoint in spec.endpoints:
        yield Endpoint(
            locality=locality_of(endpoint.locality),
            address=endpoint.address,
            port=endpoint.ports.get(port.name) or port.target_port or port.number,
            labels=tuple(sorted(endpoint.labels.items())),
            weight=endpoint.weight or 1,
        )


def _hosts(obj: Object[istio.ServiceEntry]) -> Iterable[str]:
    return (literal(host) for host in obj.spec.hosts)


def _places(obj: Object[istio.ServiceEntry]) -> Iterable[str]:
    return places(obj.spec.export_to or ("*",), obj.ref.namespace, _hosts(obj))


def _owners(obj: Object[istio.ServiceEntry]) -> Iterable[str]:
    return owned(obj.ref.namespace, _hosts(obj))


def _self(obj: Object[istio.ServiceEntry]) -> Iterable[str]:
    return (str(obj.ref),)


def _addresses(obj: Object[istio.ServiceEntry]) -> Iterable[str]:
    return obj.spec.addresses


def _selects(obj: Object[istio.ServiceEntry]) -> Iterable[str]:
    return selected_by(obj.ref.namespace, _selector(obj))


def _part(obj: Object[istio.ServiceEntry]) -> Iterable[str]:
    return selecting(_hosts(obj), _selector(obj))


def _selector(obj: Object[istio.ServiceEntry]) -> dict[str, str]:
    return obj.spec.workload_selector.labels if obj.spec.workload_selector else {}


INPUT = Input(
    kinds=(istio.SERVICE_ENTRY,),
    lower=lower,
    validate=validate,
    indexes={
        "services": _places,
        "services.of": _owners,
        "service.host": _hosts,
        "service.address": _addresses,
        "selector": _selects,
        "selector.part": _part,
        "endpoints.service": _self,
    },
)
