"""Gateway: the listeners at which routers take traffic from outside."""

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from api.kinds.gateway_api import GROUP, VERSIONS
from api.kinds.gateway_api.references import PortNumber, SecretObjectReference
from api.meta import Kind, Wire


class LabelSelectorRequirement(Wire, frozen=True):
    """One expression about labels (Kubernetes)."""

    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: tuple[str, ...] = ()


class LabelSelector(Wire, frozen=True):
    """Labels and expressions that must all hold; none of them holds for everything (Kubernetes)."""

    match_labels: dict[str, str] = {}
    match_expressions: tuple[LabelSelectorRequirement, ...] = ()


class RouteNamespaces(Wire, frozen=True):
    """From which namespaces routes may be attached."""

    from_: Literal["All", "Selector", "Same"] = field(default="Same", name="from")
    selector: LabelSelector | None = None


class RouteGroupKind(Wire, frozen=True):
    """A kind of route."""

    kind: str
    group: str = GROUP


class AllowedRoutes(Wire, frozen=True):
    """Which routes may be attached. No kinds: those that the protocol implies."""

    namespaces: RouteNamespaces = RouteNamespaces()
    kinds: Annotated[tuple[RouteGroupKind, ...], Meta(max_length=8)] = ()


class ListenerTLSConfig(Wire, frozen=True):
    """What is done with TLS."""

    mode: Literal["Terminate", "Passthrough"] | None = None
    certificate_refs: Annotated[tuple[SecretObjectReference, ...], Meta(max_length=64)] = ()
    options: Annotated[dict[str, str], Meta(max_length=16)] = {}


class Listener(Wire, frozen=True):
    """A port, and the host that is served there; without one, all."""

    name: Annotated[str, Meta(min_length=1, max_length=253)]
    port: PortNumber
    protocol: Annotated[str, Meta(min_length=1, max_length=255)]
    hostname: Annotated[str, Meta(max_length=253)] = ""
    tls: ListenerTLSConfig | None = None
    allowed_routes: AllowedRoutes = AllowedRoutes()


class GatewayTLSConfig(Wire, frozen=True):
    """What is asked of clients, and shown to backends, at all listeners."""

    frontend: dict[str, Any] | None = None
    backend: dict[str, Any] | None = None


class Gateway(Wire, frozen=True):
    """Listeners for the routers whose label `gateway.networking.k8s.io/gateway-name` is the Gateway's name."""

    gateway_class_name: Annotated[str, Meta(min_length=1, max_length=253)]
    listeners: Annotated[tuple[Listener, ...], Meta(min_length=1, max_length=64)]
    tls: GatewayTLSConfig = GatewayTLSConfig()


GATEWAY = Kind(GROUP, VERSIONS, "Gateway", Gateway)
