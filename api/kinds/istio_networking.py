"""Istio's networking API (networking.istio.io v1alpha3, v1beta1 and v1 share one schema): the fields we honour.

A field that is not here is not read yet, and the decoder says so.
"""

from typing import Any

from msgspec import field

from api.meta import Kind, Wire

GROUP = "networking.istio.io"
VERSIONS = ("v1", "v1beta1", "v1alpha3")


class StringMatch(Wire, frozen=True):
    """One of the three; none of them (`{}`) means "is present" where Istio allows it."""

    exact: str | None = None
    prefix: str | None = None
    regex: str | None = None


class PortSelector(Wire, frozen=True):
    """A port by its number."""

    number: int = 0


class Destination(Wire, frozen=True):
    """A host, perhaps a subset of it, perhaps one of its ports."""

    host: str
    subset: str = ""
    port: PortSelector | None = None


class Percent(Wire, frozen=True):
    """A percentage, 0 to 100. `{}` is 0, not 100."""

    value: float = 0.0


class MatchRequest(Wire, frozen=True):
    """HTTPMatchRequest: all of what is set must hold."""

    name: str = ""
    uri: StringMatch | None = None
    scheme: StringMatch | None = None
    method: StringMatch | None = None
    authority: StringMatch | None = None
    headers: dict[str, StringMatch] = {}
    without_headers: dict[str, StringMatch] = {}
    query_params: dict[str, StringMatch] = {}
    ignore_uri_case: bool = False
    port: int = 0
    source_labels: dict[str, str] = {}
    source_namespace: str = ""
    gateways: tuple[str, ...] = ()


class RouteDestination(Wire, frozen=True):
    """A destination and its share of the requests."""

    destination: Destination
    weight: int = 0


class MirrorPolicy(Wire, frozen=True):
    """HTTPMirrorPolicy: one of several mirrors. Absent percentage: all requests."""

    destination: Destination
    percentage: Percent | None = None


class HTTPRoute(Wire, frozen=True):
    """One rule of a VirtualService. Both spellings of the deprecated integer percentage are read.

    `redirect`, `direct_response` and `delegate` are known and not served yet.
    """

    name: str = ""
    match: tuple[MatchRequest, ...] = ()
    route: tuple[RouteDestination, ...] = ()
    redirect: dict[str, Any] | None = None
    direct_response: dict[str, Any] | None = None
    delegate: dict[str, Any] | None = None
    timeout: str = ""
    mirror: Destination | None = None
    mirrors: tuple[MirrorPolicy, ...] = ()
    mirror_percentage: Percent | None = None
    mirror_percent: int | None = None
    mirror_percent_snake: int | None = field(default=None, name="mirror_percent")


class VirtualService(Wire, frozen=True):
    """Routing rules for hosts."""

    hosts: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    http: tuple[HTTPRoute, ...] = ()
    export_to: tuple[str, ...] = ()


class Subset(Wire, frozen=True):
    """A named part of a host's workloads, chosen by labels."""

    name: str
    labels: dict[str, str] = {}


class DestinationRule(Wire, frozen=True):
    """How a host is called."""

    host: str
    subsets: tuple[Subset, ...] = ()
    export_to: tuple[str, ...] = ()


class Port(Wire, frozen=True):
    """A port of a ServiceEntry."""

    number: int
    name: str = ""
    protocol: str = ""
    target_port: int = 0


class WorkloadEntry(Wire, frozen=True):
    """A workload outside Kubernetes, on its own or inline in a ServiceEntry."""

    address: str = ""
    ports: dict[str, int] = {}
    labels: dict[str, str] = {}
    locality: str = ""
    weight: int = 1


class WorkloadSelector(Wire, frozen=True):
    """Workloads by labels. A ServiceEntry's `workloadSelector` spells them `labels`."""

    labels: dict[str, str] = {}


class ServiceEntry(Wire, frozen=True):
    """A service that Kubernetes does not know."""

    hosts: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    ports: tuple[Port, ...] = ()
    location: str = "MESH_EXTERNAL"
    resolution: str = "NONE"
    endpoints: tuple[WorkloadEntry, ...] = ()
    workload_selector: WorkloadSelector | None = None
    export_to: tuple[str, ...] = ()


VIRTUAL_SERVICE = Kind(GROUP, VERSIONS, "VirtualService", VirtualService)
DESTINATION_RULE = Kind(GROUP, VERSIONS, "DestinationRule", DestinationRule)
SERVICE_ENTRY = Kind(GROUP, VERSIONS, "ServiceEntry", ServiceEntry)
WORKLOAD_ENTRY = Kind(GROUP, VERSIONS, "WorkloadEntry", WorkloadEntry)
