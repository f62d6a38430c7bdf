"""The Envoy bootstrap: a Proxy and its control plane's address -> the JSON that `envoy -c` reads.

Separate from the translators because it is written once, when a proxy starts; everything that changes later comes over
xDS. Envoy's own log is configured here (one JSON object per line, except for the few lines before Envoy has read this).
Access logs belong to listeners, so the control plane configures them: changing them never needs a new bootstrap.
"""

import msgspec

from mirrorplane.api.hosts import is_ip
from mirrorplane.api.proxy import Locality, Proxy
from mirrorplane.bootstrap.fragments import Json, packed, single_endpoint, socket_address, without_unset
from mirrorplane.bootstrap.node import check_subdomain, node_cluster, node_metadata, validated
from mirrorplane.bootstrap.platform_ports import (
    NO_PLATFORM_PORTS,
    PlatformPorts,
    admin_address,
    admin_cluster,
    listeners,
    platform_ports,
)
from mirrorplane.bootstrap.stats import deferred_stats, stats_config
from mirrorplane.bootstrap.tls import XdsTls, check_tls, static_secrets, token_filters, transport_socket

XDS_CLUSTER = "xds-grpc"

# Only HTTP/2 pings notice a control plane that is frozen rather than closed. The server has to permit pings this often,
# or it ends the stream with GOAWAY "too many pings".
PING_INTERVAL = "30s"
PING_TIMEOUT = "10s"

# Envoy's own back-off grows to many seconds, during which a restarted control plane stays unnoticed.
RECONNECT_BASE = "0.100s"
RECONNECT_MAX = "2s"

DNS_TIMEOUT_S = 1
DNS_TRIES = 2

UNLIMITED = 2**31 - 1
MAX_DOWNSTREAM_CONNECTIONS = UNLIMITED  # Envoy logs a warning unless some number is set
RE2_MAX_PROGRAM = 32768  # Istio's limit for a user's regular expression

APPLICATION_LOG = {"time": "%Y-%m-%dT%T.%e%z", "level": "%l", "scope": "envoy %n", "thread": "%t", "msg": "%j"}


class XdsAddress(msgspec.Struct, frozen=True):
    """Where the control plane listens, and the xDS variant to use: delta, or state of the world.

    Without `tls` the connection is plaintext.
    """

    host: str
    port: int
    delta: bool = True
    tls: XdsTls | None = None


class XdsAddressError(ValueError):
    """A control plane address that no proxy could connect to. The message names the wrong part."""


def bootstrap(proxy: Proxy, xds: XdsAddress, ports: PlatformPorts = NO_PLATFORM_PORTS) -> Json:
    """Return a proxy's bootstrap, ready for `json.dumps`.

    The admin interface has no authentication, so it listens on loopback only; two of its pages are served to the
    platform (`platform_ports`).
    Raises NodeError for a proxy with invalid names, XdsAddressError for an invalid address, PlatformPortsError for
    ports that collide, and XdsTlsError for files that do not go together.
    """
    _check_address(xds)
    if xds.tls:
        check_tls(xds.tls)
    ports = platform_ports(validated(proxy), ports)
    local_listeners = listeners(proxy, ports)
    return {
        "node": _node(proxy),
        "static_resources": without_unset(
            listeners=local_listeners,
            clusters=[_xds_cluster(xds), *([admin_cluster(proxy, ports.admin)] if local_listeners else [])],
            secrets=static_secrets(xds.tls) if xds.tls else [],
        ),
        "dynamic_resources": _dynamic_resources(xds),
        "deferred_stat_options": deferred_stats(),
        "stats_config": stats_config(),
        "layered_runtime": _runtime(),
        "admin": {"address": socket_address(admin_address(proxy), ports.admin)},
        "overload_manager": _overload(),
        "typed_dns_resolver_config": _dns_resolver(),
        "bootstrap_extensions": [_internal_listeners()],
        "application_log_config": {"log_format": {"json_format": APPLICATION_LOG}},
    }


def _check_address(xds: XdsAddress) -> None:
    if not 1 <= xds.port <= 65535:  # noqa: PLR2004 - TCP's range
        raise XdsAddressError(f"control plane port {xds.port}: want 1 to 65535")
    if not is_ip(xds.host):
        try:
            check_subdomain("control plane host", xds.host)
        except ValueError as error:
            raise XdsAddressError(str(error)) from error


def _node(proxy: Proxy) -> Json:
    node = {"id": proxy.id, "cluster": node_cluster(proxy), "metadata": node_metadata(proxy)}
    return node if proxy.locality == Locality() else node | {"locality": _locality(proxy.locality)}


def _locality(locality: Locality) -> Json:
    return without_unset(region=locality.region, zone=locality.zone, sub_zone=locality.subzone)


def _dynamic_resources(xds: XdsAddress) -> Json:
    return {"lds_config": _over_ads(), "cds_config": _over_ads(), "ads_config": _ads(xds)}


def _ads(xds: XdsAddress) -> Json:
    back_off = {"base_interval": RECONNECT_BASE, "max_interval": RECONNECT_MAX}
    grpc = {"cluster_name": XDS_CLUSTER, "retry_policy": {"retry_back_off": back_off}}
    return {
        "api_type": "DELTA_GRPC" if xds.delta else "GRPC",
        "transport_api_version": "V3",
        "grpc_services": [{"envoy_grpc": grpc}],
        "set_node_on_first_message_only": True,  # the Node is 60 kB; otherwise every ACK carries it
    }


def _over_ads() -> Json:
    # No fetch timeout: a proxy that gives up waiting would report ready and serve nothing.
    return {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"}


def _xds_cluster(xds: XdsAddress) -> Json:
    by_name = not is_ip(xds.host)
    http2_options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    return without_unset(
        name=XDS_CLUSTER,
        alt_stat_name=f"{XDS_CLUSTER};",
        type="STRICT_DNS" if by_name else "STATIC",
        # Envoy's default, 5 s, is long to wait for an address that no longer answers.
        connect_timeout="1s",
        load_assignment=single_endpoint(XDS_CLUSTER, xds.host, xds.port),
        circuit_breakers=_no_circuit_breakers(),
        typed_extension_protocol_options={http2_options: packed(http2_options, **_http2_with_pings(xds))},
        # By default Envoy asks for IPv6 first, and then never tries the IPv4 address of a name that has both.
        dns_lookup_family="V4_PREFERRED" if by_name else None,
        transport_socket=transport_socket(xds.tls, xds.host) if xds.tls else None,
        upstream_connection_options={
            "tcp_keepalive": {"keepalive_probes": 3, "keepalive_time": 30, "keepalive_interval": 10}
        },
    )


def _no_circuit_breakers() -> Json:
    limits = ("max_connections", "max_pending_requests", "max_requests", "max_retries")
    # By default Envoy limits a cluster to 1,024 connections, requests and pending requests, and to 3 retries.
    return {"thresholds": [dict.fromkeys(limits, UNLIMITED)]}


def _http2_with_pings(xds: XdsAddress) -> Json:
    pings = {"interval": PING_INTERVAL, "timeout": PING_TIMEOUT}
    return without_unset(
        explicit_http_config={"http2_protocol_options": {"connection_keepalive": pings}},
        http_filters=token_filters(xds.tls) if xds.tls else [],
    )


def _dns_resolver() -> Json:
    """Return Envoy's own resolver, with /etc/resolv.conf, which gives up on a name after seconds.

    By default (5 s, four tries, each search domain) a name whose server drops questions keeps a starting Envoy unready
    for over a minute, and for seconds each route that changes together with its cluster. See decision 0124.
    """
    config = packed(
        "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
        query_timeout_seconds=DNS_TIMEOUT_S,
        query_tries=DNS_TRIES,
    )
    return {"name": "envoy.network.dns_resolver.cares", "typed_config": config}


def _internal_listeners() -> Json:
    config = packed("envoy.extensions.bootstrap.internal_listener.v3.InternalListener")
    return {"name": "envoy.bootstrap.internal_listener", "typed_config": config}


def _runtime() -> Json:
    # A float because runtime layers are google.protobuf.Structs, whose numbers are doubles.
    limits = {"re2.max_program_size.error_level": float(RE2_MAX_PROGRAM)}
    # Without an admin layer Envoy refuses changes by /runtime_modify.
    return {"layers": [{"name": "limits", "static_layer": limits}, {"name": "admin", "admin_layer": {}}]}


def _overload() -> Json:
    config = packed(
        "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
        max_active_downstream_connections=str(MAX_DOWNSTREAM_CONNECTIONS),  # proto3 JSON writes 64-bit numbers as text
    )
    name = "envoy.resource_monitors.global_downstream_max_connections"
    return {"resource_monitors": [{"name": name, "typed_config": config}]}
