"""VirtualService: routing rules for hosts."""

from typing import Any

from msgspec import field

from api.kinds.istio import GROUP, VERSIONS
from api.meta import Kind, Wire


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


VIRTUAL_SERVICE = Kind(GROUP, VERSIONS, "VirtualService", VirtualService)
