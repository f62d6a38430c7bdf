"""Gateway: the listeners of routers."""

from typing import Annotated, Literal

from msgspec import Meta, field

from mirrorplane.api.kinds.gateway_api import GROUP, VERSIONS
from mirrorplane.api.kinds.gateway_api.references import (
    DomainPath,
    Group,
    KindName,
    ObjectName,
    ObjectReference,
    PortNumber,
    SecretObjectReference,
)
from mirrorplane.api.meta import Kind, Wire

_PROTOCOL, _ADDRESS = "[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?", "Hostname|IPAddress|NamedAddress"
_PREFIX = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*/"
_Key = Annotated[
    str, Meta(max_length=317, pattern=rf"^(?:{_PREFIX})?(?:[A-Za-z0-9][-A-Za-z0-9_.]{{0,61}})?[A-Za-z0-9]\Z")
]
_LabelValue = Annotated[str, Meta(max_length=63, pattern=r"^(?:(?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?\Z")]
_Text = Annotated[str, Meta(max_length=4096)]


class LabelSelectorRequirement(Wire, frozen=True):
    """An expression of a label selector (Kubernetes)."""

    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: tuple[str, ...] = ()


class LabelSelector(Wire, frozen=True):
    """Labels and expressions that must all match; an empty selector matches everything (Kubernetes)."""

    match_labels: dict[str, str] = {}
    match_expressions: tuple[LabelSelectorRequirement, ...] = ()


class RouteNamespaces(Wire, frozen=True):
    """The namespaces whose routes may attach."""

    from_: Literal["All", "Selector", "Same"] = field(default="Same", name="from")
    selector: LabelSelector | None = None


class RouteGroupKind(Wire, frozen=True):
    """A kind of route."""

    kind: KindName
    group: Group = GROUP


class AllowedRoutes(Wire, frozen=True):
    """The routes that may attach. Without kinds: those that the protocol implies."""

    namespaces: RouteNamespaces = RouteNamespaces()
    kinds: Annotated[tuple[RouteGroupKind, ...], Meta(max_length=8)] = ()


class ListenerTLSConfig(Wire, frozen=True):
    """How TLS is handled."""

    mode: Literal["Terminate", "Passthrough"] | None = None
    certificate_refs: Annotated[tuple[SecretObjectReference, ...], Meta(max_length=64)] = ()
    options: Annotated[dict[_Key, _Text], Meta(max_length=16)] = {}


class Listener(Wire, frozen=True):
    """A port, and the host that is served there; without one, all hosts."""

    name: Annotated[str, Meta(min_length=1, max_length=253)]
    port: PortNumber
    protocol: Annotated[str, Meta(min_length=1, max_length=255, pattern=rf"^(?:{_PROTOCOL}|{DomainPath})\Z")]
    hostname: Annotated[str, Meta(max_length=253)] = ""
    tls: ListenerTLSConfig | None = None
    allowed_routes: AllowedRoutes = AllowedRoutes()


class FrontendTLSValidation(Wire, frozen=True):
    """How client certificates are verified, and whether clients without a valid one are accepted."""

    ca_certificate_refs: Annotated[tuple[ObjectReference, ...], Meta(min_length=1, max_length=16)] = field(
        name="caCertificateRefs"
    )
    mode: Literal["AllowValidOnly", "AllowInsecureFallback"] = "AllowValidOnly"


class TLSConfig(Wire, frozen=True):
    """The client validation of listeners; without one, no client certificate is requested."""

    validation: FrontendTLSValidation | None = None


class TLSPortConfig(Wire, frozen=True):
    """The client validation at one port."""

    port: PortNumber
    tls: TLSConfig


class FrontendTLSConfig(Wire, frozen=True):
    """The client validation at HTTPS listeners; a port's own replaces the default."""

    default: TLSConfig
    per_port: Annotated[tuple[TLSPortConfig, ...], Meta(max_length=64)] = ()


class GatewayBackendTLS(Wire, frozen=True):
    """The client certificate for backends that request one."""

    client_certificate_ref: SecretObjectReference | None = None


class GatewayTLSConfig(Wire, frozen=True):
    """TLS settings towards clients (`frontend`) and backends (`backend`)."""

    frontend: FrontendTLSConfig | None = None
    backend: GatewayBackendTLS | None = None


class GatewaySpecAddress(Wire, frozen=True):
    """A requested address; without a value, any of the type."""

    type: Annotated[str, Meta(min_length=1, max_length=253, pattern=rf"^(?:{_ADDRESS}|{DomainPath})\Z")] = "IPAddress"
    value: Annotated[str, Meta(max_length=253)] = ""


class LocalParametersReference(Wire, frozen=True):
    """An object in the Gateway's namespace with further settings."""

    group: Group
    kind: KindName
    name: ObjectName


class GatewayInfrastructure(Wire, frozen=True):
    """Settings of the infrastructure of a Gateway. Labels and annotations are for resources created in a cluster."""

    labels: Annotated[dict[_Key, _LabelValue], Meta(max_length=8)] = {}
    annotations: Annotated[dict[_Key, _Text], Meta(max_length=16)] = {}
    parameters_ref: LocalParametersReference | None = None


class ListenerNamespaces(Wire, frozen=True):
    """The namespaces whose ListenerSets may join."""

    from_: Literal["All", "Selector", "Same", "None"] = field(default="None", name="from")
    selector: LabelSelector | None = None


class AllowedListeners(Wire, frozen=True):
    """The ListenerSets that may join: by default, none."""

    namespaces: ListenerNamespaces = ListenerNamespaces()


class Gateway(Wire, frozen=True):
    """Listeners for the routers whose label `gateway.networking.k8s.io/gateway-name` is the Gateway's name.

    A name of more than 63 characters is shortened to its first 52, a dash, and ten hexadecimal digits of its SHA-256.
    """

    gateway_class_name: Annotated[str, Meta(min_length=1, max_length=253)]
    listeners: Annotated[tuple[Listener, ...], Meta(min_length=1, max_length=64)]
    addresses: Annotated[tuple[GatewaySpecAddress, ...], Meta(max_length=16)] = ()
    infrastructure: GatewayInfrastructure = GatewayInfrastructure()
    allowed_listeners: AllowedListeners = AllowedListeners()
    tls: GatewayTLSConfig = GatewayTLSConfig()


GATEWAY = Kind(GROUP, VERSIONS, "Gateway", Gateway)
