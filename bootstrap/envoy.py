"""The Envoy bootstrap: a Proxy and where its control plane listens -> the JSON that `envoy -c` reads.

Separate from the translators because it is written once, when a proxy starts; all that changes later comes over xDS.
That is why it can afford envoy-data-plane's typed messages, whose import takes over half a second: import this module
only where a bootstrap is really made.

Two logs, two owners. The application log (Envoy about itself) is configured here, as one JSON object per line
(but for the few lines before Envoy has read it). Access logs belong to listeners, so the control plane configures them:
nothing in a bootstrap has to change to alter them.
"""

from datetime import timedelta
from typing import Any

import msgspec
from betterproto2 import Casing
from envoy_data_plane.envoy.config.bootstrap.v3 import (
    Admin,
    Bootstrap,
    BootstrapApplicationLogConfig,
    BootstrapApplicationLogConfigLogFormat,
    BootstrapDynamicResources,
    BootstrapStaticResources,
    LayeredRuntime,
    RuntimeLayer,
    RuntimeLayerAdminLayer,
)
from envoy_data_plane.envoy.config.cluster.v3 import (
    CircuitBreakers,
    CircuitBreakersThresholds,
    Cluster,
    ClusterDiscoveryType,
    ClusterDnsLookupFamily,
    UpstreamConnectionOptions,
)
from envoy_data_plane.envoy.config.core.v3 import (
    Address,
    AggregatedConfigSource,
    ApiConfigSource,
    ApiConfigSourceApiType,
    ApiVersion,
    BackoffStrategy,
    ConfigSource,
    GrpcService,
    GrpcServiceEnvoyGrpc,
    Http2ProtocolOptions,
    KeepaliveSettings,
    Node,
    RetryPolicy,
    SocketAddress,
    TcpKeepalive,
    TypedExtensionConfig,
)
from envoy_data_plane.envoy.config.core.v3 import Locality as EnvoyLocality
from envoy_data_plane.envoy.config.endpoint.v3 import (
    ClusterLoadAssignment,
    Endpoint,
    LbEndpoint,
    LocalityLbEndpoints,
)
from envoy_data_plane.envoy.config.overload.v3 import OverloadManager, ResourceMonitor
from envoy_data_plane.envoy.extensions.bootstrap.internal_listener.v3 import InternalListener
from envoy_data_plane.envoy.extensions.resource_monitors.downstream_connections.v3 import DownstreamConnectionsConfig
from envoy_data_plane.envoy.extensions.upstreams.http.v3 import (
    HttpProtocolOptions,
    HttpProtocolOptionsExplicitHttpConfig,
)
from envoy_data_plane.google.protobuf import Any as PackedAny
from envoy_data_plane.google.protobuf import Struct

from mirrorplane.api.hosts import is_ip
from mirrorplane.api.proxy import REDIRECT, Locality, Proxy
from mirrorplane.bootstrap import health
from mirrorplane.bootstrap.node import check_subdomain, checked, cluster, metadata
from mirrorplane.bootstrap.tls import XdsTls, check_tls, static_secrets, token_filters, transport_socket

XDS_CLUSTER = "xds-grpc"
LOOPBACK = "127.0.0.1"

# A control plane that froze (not closed) is noticed only by HTTP/2 pings. The server must allow pings this often, or it
# ends the stream with GOAWAY "too many pings".
PING_INTERVAL = timedelta(seconds=30)
PING_TIMEOUT = timedelta(seconds=10)

# Envoy's own back-off reaches many seconds, which would be how long a restarted control plane stays unseen.
RECONNECT_BASE = timedelta(milliseconds=100)
RECONNECT_MAX = timedelta(seconds=2)

UNLIMITED = 2**31 - 1
MAX_DOWNSTREAM_CONNECTIONS = UNLIMITED  # a number must be said, or Envoy warns that it has none
RE2_MAX_PROGRAM = 32768  # Istio's limit for a user's regular expression

APPLICATION_LOG = {"time": "%Y-%m-%dT%T.%e%z", "level": "%l", "scope": "envoy %n", "thread": "%t", "msg": "%j"}


class XdsAddress(msgspec.Struct, frozen=True):
    """Where the control plane listens, and which protocol to ask it with: delta (default) or state of the world.

    Without `tls`, and what belongs to it, it is plaintext.
    """

    host: str
    port: int
    delta: bool = True
    tls: XdsTls | None = None


class XdsAddressError(ValueError):
    """A control plane address that no proxy could connect to. The message says which part is wrong."""


def bootstrap(proxy: Proxy, xds: XdsAddress, admin_port: int = 0) -> dict[str, Any]:
    """Build a proxy's bootstrap as a JSON-ready dict in Envoy's snake_case names.

    The admin interface listens on loopback only, for it has no authentication; port 0 lets the kernel choose. With
    interception it is 15000, and the platform may ask two of its pages from outside (`health`).
    Raises NodeError for a proxy with impossible names, XdsAddressError for an impossible address, and XdsTlsError for
    files that do not go together.
    """
    _check_address(xds)
    if xds.tls:
        check_tls(xds.tls)
    intercepted = proxy.interception == REDIRECT
    admin_port = admin_port or (health.ADMIN_PORT if intercepted else 0)
    message = Bootstrap(
        node=_node(checked(proxy)),
        admin=Admin(address=_address(LOOPBACK, admin_port)),
        dynamic_resources=_dynamic_resources(xds),
        static_resources=BootstrapStaticResources(
            clusters=[_xds_cluster(xds), *([health.admin_cluster(admin_port)] if intercepted else [])],
            listeners=health.listeners() if intercepted else [],
            secrets=static_secrets(xds.tls) if xds.tls else [],
        ),
        bootstrap_extensions=[_internal_listeners()],
        layered_runtime=_runtime(),
        overload_manager=_overload(),
        application_log_config=_application_log(),
    )
    rendered: dict[str, Any] = message.to_dict(casing=Casing.SNAKE)
    return rendered


def _check_address(xds: XdsAddress) -> None:
    if not 1 <= xds.port <= 65535:  # noqa: PLR2004 - TCP's range
        raise XdsAddressError(f"control plane port {xds.port}: want 1 to 65535")
    if not is_ip(xds.host):
        try:
            check_subdomain("control plane host", xds.host)
        except ValueError as error:
            raise XdsAddressError(str(error)) from error


def _node(proxy: Proxy) -> Node:
    return Node(
        id=proxy.id,
        cluster=cluster(proxy),
        metadata=Struct.from_dict(metadata(proxy)),
        locality=_locality(proxy.locality),
    )


def _locality(locality: Locality) -> EnvoyLocality | None:
    if locality == Locality():
        return None
    return EnvoyLocality(region=locality.region, zone=locality.zone, sub_zone=locality.subzone)


def _dynamic_resources(xds: XdsAddress) -> BootstrapDynamicResources:
    return BootstrapDynamicResources(ads_config=_ads(xds), cds_config=_over_ads(), lds_config=_over_ads())


def _ads(xds: XdsAddress) -> ApiConfigSource:
    back_off = BackoffStrategy(base_interval=RECONNECT_BASE, max_interval=RECONNECT_MAX)
    grpc = GrpcServiceEnvoyGrpc(cluster_name=XDS_CLUSTER, retry_policy=RetryPolicy(retry_back_off=back_off))
    return ApiConfigSource(
        api_type=ApiConfigSourceApiType.DELTA_GRPC if xds.delta else ApiConfigSourceApiType.GRPC,
        transport_api_version=ApiVersion.V3,
        set_node_on_first_message_only=True,  # the Node is 60 kB; otherwise every ACK carries it
        grpc_services=[GrpcService(envoy_grpc=grpc)],
    )


def _over_ads() -> ConfigSource:
    # No fetch timeout: a proxy that gives up waiting would report ready and serve nothing.
    return ConfigSource(
        ads=AggregatedConfigSource(), initial_fetch_timeout=timedelta(0), resource_api_version=ApiVersion.V3
    )


def _xds_cluster(xds: XdsAddress) -> Cluster:
    named = not is_ip(xds.host)
    return Cluster(
        name=XDS_CLUSTER,
        type=ClusterDiscoveryType.STRICT_DNS if named else ClusterDiscoveryType.STATIC,
        # Envoy asks for IPv6 first by default, and then never tries the IPv4 address of a name that has both.
        dns_lookup_family=ClusterDnsLookupFamily.V4_PREFERRED if named else ClusterDnsLookupFamily.AUTO,
        connect_timeout=timedelta(seconds=1),
        transport_socket=transport_socket(xds.tls, xds.host) if xds.tls else None,
        load_assignment=_one_endpoint(xds),
        circuit_breakers=_no_circuit_breakers(),
        upstream_connection_options=UpstreamConnectionOptions(
            tcp_keepalive=TcpKeepalive(keepalive_probes=3, keepalive_time=30, keepalive_interval=10)
        ),
        typed_extension_protocol_options={
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": PackedAny.pack(_http2_with_pings(xds))
        },
    )


def _one_endpoint(xds: XdsAddress) -> ClusterLoadAssignment:
    endpoint = LbEndpoint(endpoint=Endpoint(address=_address(xds.host, xds.port)))
    return ClusterLoadAssignment(cluster_name=XDS_CLUSTER, endpoints=[LocalityLbEndpoints(lb_endpoints=[endpoint])])


def _no_circuit_breakers() -> CircuitBreakers:
    thresholds = CircuitBreakersThresholds(
        max_connections=UNLIMITED, max_pending_requests=UNLIMITED, max_requests=UNLIMITED, max_retries=UNLIMITED
    )
    return CircuitBreakers(thresholds=[thresholds])


def _http2_with_pings(xds: XdsAddress) -> HttpProtocolOptions:
    pings = KeepaliveSettings(interval=PING_INTERVAL, timeout=PING_TIMEOUT)
    http2 = Http2ProtocolOptions(connection_keepalive=pings)
    return HttpProtocolOptions(
        explicit_http_config=HttpProtocolOptionsExplicitHttpConfig(http2_protocol_options=http2),
        http_filters=token_filters(xds.tls) if xds.tls else [],
    )


def _internal_listeners() -> TypedExtensionConfig:
    return TypedExtensionConfig(
        name="envoy.bootstrap.internal_listener", typed_config=PackedAny.pack(InternalListener())
    )


def _runtime() -> LayeredRuntime:
    limits = {"re2.max_program_size.error_level": RE2_MAX_PROGRAM}
    return LayeredRuntime(
        layers=[
            RuntimeLayer(name="limits", static_layer=Struct.from_dict(limits)),
            RuntimeLayer(name="admin", admin_layer=RuntimeLayerAdminLayer()),
        ]
    )


def _overload() -> OverloadManager:
    connections = DownstreamConnectionsConfig(max_active_downstream_connections=MAX_DOWNSTREAM_CONNECTIONS)
    monitor = ResourceMonitor(
        name="envoy.resource_monitors.global_downstream_max_connections", typed_config=PackedAny.pack(connections)
    )
    return OverloadManager(resource_monitors=[monitor])


def _application_log() -> BootstrapApplicationLogConfig:
    return BootstrapApplicationLogConfig(
        log_format=BootstrapApplicationLogConfigLogFormat(json_format=Struct.from_dict(APPLICATION_LOG))
    )


def _address(host: str, port: int) -> Address:
    return Address(socket_address=SocketAddress(address=host, port_value=port))
