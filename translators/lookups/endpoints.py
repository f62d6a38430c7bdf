"""Ports of services, and the endpoints behind them: from EndpointSlices, Pods, WorkloadEntries, ServiceEntries."""

from mirrorplane.api.hosts import is_ip, is_unix
from mirrorplane.api.mesh import Endpoint, Port, Protocol, Resolution, Service
from mirrorplane.api.meta import Labels, Ref
from mirrorplane.api.view import View
from mirrorplane.translators.lookups.service_entries import is_entry, merge_ports
from mirrorplane.translators.lookups.workload_selectors import selected_workloads
from mirrorplane.translators.names import ClusterName, Transport, outbound_cluster, udp_cluster


def port_of(service: Service, number: int, *, udp: bool = False) -> Port | None:
    """Return a service's port by number: the UDP port with `udp`, else the one of any other protocol."""
    for port in service.ports:
        if port.number == number and (port.protocol is Protocol.UDP) is udp:
            return port
    return None


def cluster_port(service: Service, cluster: ClusterName) -> Port | None:
    """Return the port of a service that a cluster calls."""
    return port_of(service, cluster.port, udp=cluster.transport is Transport.UDP)


def tcp_endpoints(view: View, owner: Ref, host: str, number: int) -> tuple[Endpoint, ...]:
    """Return the endpoints of a port of the service that an object declares under a host, sorted.

    They are listed by EndpointSlices or the service itself, else they are the Pods that it selects; WorkloadEntries
    that it selects join either. Without slices and selector they are those of the Endpoints with its name. Istio:
    endpoints that other ServiceEntries of the namespace declare for the host, on a port of the same name, join too.
    """
    return _endpoints(view, owner, outbound_cluster(host, number))


def udp_endpoints(view: View, owner: Ref, host: str, number: int) -> tuple[Endpoint, ...]:
    """Return the endpoints of a UDP port; a TCP port may have the same number."""
    return _endpoints(view, owner, udp_cluster(host, number))


def has_ready_endpoint(view: View, owner: Ref, host: str, number: int, labels: Labels) -> bool:
    """Tell whether a port, of one that is not UDP, has a ready endpoint with some labels.

    To be read by memo: what depends on it does not depend on which endpoints those are.
    """
    endpoints = view.memo(tcp_endpoints, owner, host, number)
    return any(endpoint.healthy and set(labels) <= set(endpoint.labels) for endpoint in endpoints)


def endpoint_labels(view: View, owner: Ref, host: str, number: int) -> tuple[Labels, ...]:
    """Return the labels of the endpoints of a service's port, each once; none of an address that no Pod has.

    To be read by memo: what depends on it does not depend on which endpoints a service has.
    """
    return tuple(sorted({endpoint.labels for endpoint in view.memo(tcp_endpoints, owner, host, number)}))


def port_endpoints(view: View, service: Service, port: Port) -> tuple[Endpoint, ...]:
    """Return the endpoints of a port of a service, sorted."""
    endpoints = udp_endpoints if port.protocol is Protocol.UDP else tcp_endpoints
    return view.memo(endpoints, service.ref, service.host, port.number)


def _endpoints(view: View, owner: Ref, cluster: ClusterName) -> tuple[Endpoint, ...]:
    service = next((s for s in view.lowered(owner).services if s.host == cluster.host), None)
    if service is None:
        return ()
    entries = _other_entries(view, service)
    port = cluster_port(merge_ports(service, entries), cluster)
    if port is None:
        return ()
    endpoints = _endpoints_of_port(view, service, port)
    for entry in entries:
        endpoints |= {e for p in entry.ports if p.name == port.name for e in _endpoints_of_port(view, entry, p)}
    if service.resolution is Resolution.ENDPOINTS:  # only DNS can use names; Istio leaves them out elsewhere
        endpoints = {e for e in endpoints if is_ip(e.address) or is_unix(e.address)}
    else:
        endpoints = {e for e in endpoints if not is_unix(e.address)}
    return tuple(sorted(endpoints))


def _endpoints_of_port(view: View, service: Service, port: Port) -> set[Endpoint]:
    slices = view.by("endpoints.service", str(service.ref))
    # Kubernetes writes Endpoints for each Service with a selector, and slices for the Endpoints of all others.
    endpoints = view.by("endpoints.v1", str(service.ref)) if not (slices or service.selector) else ()
    listed = {
        endpoint
        for obj in (*slices, *endpoints)
        for group in view.lowered(obj.ref).endpoints
        # By name: the number in an EndpointSlice is the target port's.
        if group.service == service.ref and group.port_name == port.name
        for endpoint in group.endpoints
    }
    # Kubernetes lists the Pods of its own services in slices; a ServiceEntry selects them itself.
    return listed.union(_selected(view, service, port, without_pods=bool(slices) and not is_entry(service)))


def _other_entries(view: View, service: Service) -> list[Service]:
    """Return the services of the same host that other ServiceEntries of the namespace declare."""
    if not is_entry(service):
        return []
    return [
        entry
        for obj in view.by("service.host", service.host)
        if obj.ref != service.ref and (obj.ref.kind, obj.ref.namespace) == (service.ref.kind, service.namespace)
        for entry in view.lowered(obj.ref).services
        if entry.host == service.host
    ]


def _selected(view: View, service: Service, port: Port, *, without_pods: bool) -> list[Endpoint]:
    endpoints = []
    for _, load in selected_workloads(view, service.namespace, service.selector):
        number = _workload_port(dict(load.ports), port)
        if number and not (load.in_endpoint_slices and without_pods):
            # A socket has no port (Istio).
            number = 0 if is_unix(load.address) else number
            endpoints.append(Endpoint(load.locality, load.address, number, load.labels, load.healthy, load.weight))
    return endpoints


def _workload_port(named_ports: dict[str, int], port: Port) -> int:
    """Return the port number of a workload: the named target port (0 if it has none), else the target, else the port.

    A WorkloadEntry's ports are keyed by the service port's name, a Pod's by the container port's.
    """
    if isinstance(port.target_port, str):
        return named_ports.get(port.target_port, 0)
    return named_ports.get(port.name) or port.target_port or port.number
