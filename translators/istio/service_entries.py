"""Validation of ServiceEntry."""

from collections.abc import Iterator

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.hosts import host_problem, is_ip, is_partial, is_range, is_unix
from mirrorplane.api.kinds.istio import service_entry as istio
from mirrorplane.api.meta import Object
from mirrorplane.api.units import PORTS
from mirrorplane.translators.istio.annotations import annotation_findings
from mirrorplane.translators.istio.exports import export_findings
from mirrorplane.translators.istio.partial_server_names import partial_server_name
from mirrorplane.translators.istio.selectors import selector_findings
from mirrorplane.translators.istio.workloads import address_problem, has_no_address, no_address, workload_findings
from mirrorplane.translators.port_protocols import is_tls, protocol_of_token, speaks_http

_DNS = ("DNS", "DNS_ROUND_ROBIN")
_RESOLUTIONS = ("NONE", "STATIC", *_DNS)
_LOCATIONS = ("MESH_EXTERNAL", "MESH_INTERNAL")
Entry = Object[istio.ServiceEntry]


def entry_findings(obj: Entry) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses, and report unsupported features."""
    yield from _host_findings(obj)
    yield from _resolution_findings(obj)
    yield from _port_findings(obj)
    yield from _source_findings(obj)
    yield from _endpoint_findings(obj)
    yield from export_findings(obj.ref, obj.spec.export_to)
    yield from annotation_findings(obj)
    for i, name in enumerate(obj.spec.subject_alt_names):
        if not name:
            yield Finding(obj.ref, "InvalidName", "the name must not be empty", f"spec.subjectAltNames[{i}]")


def _host_findings(obj: Entry) -> Iterator[Finding]:
    spec = obj.spec
    if not spec.hosts:
        yield Finding(obj.ref, "NoHosts", "service entry must have at least one host", "spec.hosts")
    for i, host in enumerate(spec.hosts):
        if problem := host_problem(host) or ("invalid host *" if host == "*" else ""):
            yield Finding(obj.ref, "InvalidHost", problem, f"spec.hosts[{i}]")
        elif is_partial(host) and any(not speaks_http(port.protocol) for port in spec.ports):
            yield partial_server_name(obj.ref, host, f"spec.hosts[{i}]", Severity.WARNING)
    for i, address in enumerate(spec.addresses):
        path = f"spec.addresses[{i}]"
        if not is_range(address):
            yield Finding(obj.ref, "InvalidAddress", f"{address!r} is neither an IP address nor a CIDR range", path)
        elif "/" in address and spec.resolution in _DNS:
            message = "CIDR addresses are allowed only for NONE/STATIC resolution types"
            yield Finding(obj.ref, "InvalidAddress", message, path)


def _resolution_findings(obj: Entry) -> Iterator[Finding]:
    spec = obj.spec
    if spec.location not in _LOCATIONS:
        message = f"location {spec.location} is not one of {', '.join(_LOCATIONS)}"
        yield Finding(obj.ref, "InvalidLocation", message, "spec.location")
    if spec.resolution == "DYNAMIC_DNS":
        message = "DYNAMIC_DNS is not served: hosts that only a request names are not looked up"
        fix = "list the hosts, with resolution: DNS"
        yield Finding(obj.ref, "NotServed", message, "spec.resolution", fix=fix)
    elif spec.resolution not in _RESOLUTIONS:
        message = f"resolution {spec.resolution} is not one of {', '.join(_RESOLUTIONS)}"
        yield Finding(obj.ref, "InvalidResolution", message, "spec.resolution")


def _port_findings(obj: Entry) -> Iterator[Finding]:
    seen_keys: set[int | str] = set()
    for i, port in enumerate(obj.spec.ports):
        path = f"spec.ports[{i}]"
        for field, number in (("number", port.number), ("targetPort", port.target_port or port.number)):
            if number not in PORTS:
                yield Finding(obj.ref, "InvalidPort", f"port {number} is not in 1..65535", f"{path}.{field}")
        if not port.name:
            yield Finding(obj.ref, "InvalidPort", "port name must be set", f"{path}.name")
        for key in {port.number, port.name} & seen_keys:
            yield Finding(obj.ref, "DuplicatePort", f"service entry port {key!r} already defined", path)
        seen_keys |= {port.number, port.name}
        yield from _protocol_findings(obj, path, port)


def _protocol_findings(obj: Entry, path: str, port: istio.Port) -> Iterator[Finding]:
    spec, distinct = obj.spec, speaks_http(port.protocol) or is_tls(port.protocol)
    if port.protocol and protocol_of_token(port.protocol) is None:
        yield Finding(obj.ref, "InvalidPort", f"unsupported protocol: {port.protocol}", f"{path}.protocol")
    elif not distinct and len(spec.hosts) > 1 and spec.resolution != "NONE":
        message = "multiple hosts provided with non-HTTP, non-TLS ports"
        fix = "use one ServiceEntry per host: TCP connections do not carry the host"
        yield Finding(obj.ref, "InvalidPort", message, f"{path}.protocol", fix=fix)
    elif not distinct and not spec.addresses and spec.resolution != "NONE":
        message = (
            f"port {port.number} serves TCP, and without addresses its connections look like those to the same"
            " port of other services"
        )
        fix = "set addresses, or a protocol that carries the host (HTTP, TLS)"
        yield Finding(obj.ref, "AddressesRequired", message, path, Severity.WARNING, fix)


def _source_findings(obj: Entry) -> Iterator[Finding]:
    """Check the source of the endpoints."""
    spec = obj.spec
    if spec.workload_selector is not None:
        yield from selector_findings(obj.ref, "spec.workloadSelector", spec.workload_selector.labels)
    if spec.workload_selector and spec.endpoints:
        message = "only one of WorkloadSelector or Endpoints is allowed in Service Entry"
        yield Finding(obj.ref, "TwoEndpointSources", message, "spec.endpoints")
    if spec.resolution == "NONE" and spec.endpoints:
        message = "no endpoints should be provided for resolution type none"
        yield Finding(obj.ref, "EndpointsUnused", message, "spec.endpoints")
    alone = spec.resolution in _DNS and not spec.endpoints and not spec.workload_selector
    if alone and any(host.startswith("*") for host in spec.hosts):
        message = "hosts must be FQDN if no endpoints are provided for resolution mode DNS"
        yield Finding(obj.ref, "NothingToResolve", message, "spec.hosts")
    if spec.resolution == "DNS_ROUND_ROBIN" and len(spec.endpoints) > 1:
        message = "there must only be 0 or 1 endpoint for resolution mode DNS_ROUND_ROBIN"
        yield Finding(obj.ref, "TooManyEndpoints", message, "spec.endpoints")


def _endpoint_findings(obj: Entry) -> Iterator[Finding]:
    ports = {port.name for port in obj.spec.ports}
    for i, endpoint in enumerate(obj.spec.endpoints):
        path = f"spec.endpoints[{i}]"
        if has_no_address(endpoint):
            yield no_address(obj.ref, f"{path}.address", "endpoint")
        elif problem := address_problem(endpoint.address):
            yield Finding(obj.ref, "InvalidEndpoint", problem, f"{path}.address")
        elif is_unix(endpoint.address):
            yield from _socket_findings(obj, path, endpoint)
        elif obj.spec.resolution == "STATIC" and not is_ip(endpoint.address):
            message = f"{endpoint.address} is not an IP address, and STATIC resolution does not query DNS"
            yield Finding(obj.ref, "InvalidEndpoint", message, f"{path}.address", fix="use resolution: DNS")
        yield from workload_findings(obj.ref, path, endpoint, ports)


def _socket_findings(obj: Entry, path: str, endpoint: istio.WorkloadEntry) -> Iterator[Finding]:
    """Refuse DNS resolution and ports for a Unix socket."""
    if obj.spec.resolution != "STATIC":
        message = f"{endpoint.address} is a Unix socket, which needs STATIC resolution"
        yield Finding(obj.ref, "InvalidEndpoint", message, f"{path}.address", fix="use resolution: STATIC")
    if endpoint.ports:
        message = f"unix endpoint {endpoint.address} must not include ports"
        yield Finding(obj.ref, "InvalidEndpoint", message, f"{path}.ports")
    if len(obj.spec.ports) != 1:
        message = "exactly 1 service port required for unix endpoints"
        yield Finding(obj.ref, "InvalidEndpoint", message, "spec.ports")
