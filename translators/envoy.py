"""The only module that imports Envoy's protobuf messages, with the ways in which they are encoded and joined.

Bytes are encoded deterministically, so that equal content has equal bytes and equal versions, also after a restart (see
decision 0010). A RouteConfiguration is made of virtual hosts that were encoded before: the wire format of a message is
the concatenation of its fields, so joining encoded fields gives the same bytes as encoding the whole.
"""

from collections.abc import Mapping
from typing import Any

import xxhash
from envoy.config.accesslog.v3.accesslog_pb2 import AccessLog
from envoy.config.cluster.v3.circuit_breaker_pb2 import CircuitBreakers
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.cluster.v3.outlier_detection_pb2 import OutlierDetection
from envoy.config.common.mutation_rules.v3.mutation_rules_pb2 import HeaderMutation
from envoy.config.core.v3.address_pb2 import Address, BindConfig, SocketAddress
from envoy.config.core.v3.base_pb2 import (
    DataSource,
    HeaderValue,
    HeaderValueOption,
    Locality,
    Metadata,
    RoutingPriority,
    RuntimeDouble,
    RuntimeFractionalPercent,
    TrafficDirection,
    TransportSocket,
)
from envoy.config.core.v3.config_source_pb2 import AggregatedConfigSource, ApiVersion, ConfigSource
from envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from envoy.config.core.v3.health_check_pb2 import HealthStatus
from envoy.config.core.v3.protocol_pb2 import Http1ProtocolOptions, Http2ProtocolOptions, HttpProtocolOptions
from envoy.config.core.v3.proxy_protocol_pb2 import ProxyProtocolConfig
from envoy.config.core.v3.substitution_format_string_pb2 import SubstitutionFormatString
from envoy.config.endpoint.v3.endpoint_components_pb2 import Endpoint, LbEndpoint, LocalityLbEndpoints
from envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from envoy.config.listener.v3.listener_components_pb2 import (
    Filter,
    FilterChain,
    FilterChainMatch,
    ListenerFilter,
    ListenerFilterChainMatchPredicate,
)
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_components_pb2 import (
    DirectResponseAction,
    HeaderMatcher,
    QueryParameterMatcher,
    RedirectAction,
    RetryPolicy,
    Route,
    RouteAction,
    RouteMatch,
    VirtualHost,
    WeightedCluster,
)
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.extensions.access_loggers.file.v3.file_pb2 import FileAccessLog
from envoy.extensions.clusters.common.dns.v3.dns_pb2 import DnsLookupFamily
from envoy.extensions.clusters.dns.v3.dns_cluster_pb2 import DnsCluster
from envoy.extensions.common.matching.v3.extension_matcher_pb2 import (
    ExtensionWithMatcher,
    ExtensionWithMatcherPerRoute,
)
from envoy.extensions.filters.common.matcher.action.v3.skip_action_pb2 import SkipFilter
from envoy.extensions.filters.common.set_filter_state.v3.value_pb2 import FilterStateValue
from envoy.extensions.filters.http.buffer.v3.buffer_pb2 import Buffer
from envoy.extensions.filters.http.composite.v3.composite_pb2 import Composite, ExecuteFilterAction
from envoy.extensions.filters.http.cors.v3.cors_pb2 import Cors, CorsPolicy
from envoy.extensions.filters.http.ext_authz.v3.ext_authz_pb2 import ExtAuthz, HttpService
from envoy.extensions.filters.http.fault.v3.fault_pb2 import HTTPFault
from envoy.extensions.filters.http.router.v3.router_pb2 import Router
from envoy.extensions.filters.http.stateful_session.v3.stateful_session_pb2 import (
    StatefulSession,
    StatefulSessionPerRoute,
)
from envoy.extensions.filters.http.upstream_codec.v3.upstream_codec_pb2 import UpstreamCodec
from envoy.extensions.filters.listener.http_inspector.v3.http_inspector_pb2 import HttpInspector
from envoy.extensions.filters.listener.original_dst.v3.original_dst_pb2 import OriginalDst
from envoy.extensions.filters.listener.tls_inspector.v3.tls_inspector_pb2 import TlsInspector
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
    HttpFilter,
    Rds,
)
from envoy.extensions.filters.network.set_filter_state.v3.set_filter_state_pb2 import Config as SetFilterState
from envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy
from envoy.extensions.filters.udp.udp_proxy.v3.route_pb2 import Route as UdpRoute
from envoy.extensions.filters.udp.udp_proxy.v3.udp_proxy_pb2 import UdpProxyConfig as UdpProxy
from envoy.extensions.http.stateful_session.cookie.v3.cookie_pb2 import CookieBasedSessionState
from envoy.extensions.http.stateful_session.header.v3.header_pb2 import HeaderBasedSessionState
from envoy.extensions.load_balancing_policies.client_side_weighted_round_robin.v3.client_side_weighted_round_robin_pb2 import (  # noqa: E501
    ClientSideWeightedRoundRobin as WeightedByUtilization,
)
from envoy.extensions.matching.common_inputs.network.v3.network_inputs_pb2 import SourcePortInput as SourcePort
from envoy.extensions.matching.input_matchers.runtime_fraction.v3.runtime_fraction_pb2 import (
    RuntimeFraction as FractionMatcher,
)
from envoy.extensions.retry.host.previous_hosts.v3.previous_hosts_pb2 import PreviousHostsPredicate
from envoy.extensions.retry.priority.previous_priorities.v3.previous_priorities_config_pb2 import (
    PreviousPrioritiesConfig as PreviousPriorities,
)
from envoy.extensions.transport_sockets.proxy_protocol.v3.upstream_proxy_protocol_pb2 import (
    ProxyProtocolUpstreamTransport,
)
from envoy.extensions.transport_sockets.raw_buffer.v3.raw_buffer_pb2 import RawBuffer
from envoy.extensions.transport_sockets.tls.v3.common_pb2 import (
    CertificateValidationContext,
    SubjectAltNameMatcher,
    TlsParameters,
)
from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import SdsSecretConfig, Secret
from envoy.extensions.transport_sockets.tls.v3.tls_pb2 import DownstreamTlsContext, UpstreamTlsContext
from envoy.extensions.upstreams.http.v3.http_protocol_options_pb2 import HttpProtocolOptions as UpstreamHttp
from envoy.type.matcher.v3.filter_state_pb2 import FilterStateMatcher
from envoy.type.matcher.v3.http_inputs_pb2 import HttpRequestHeaderMatchInput
from envoy.type.matcher.v3.regex_pb2 import RegexMatcher
from envoy.type.matcher.v3.string_pb2 import StringMatcher
from envoy.type.v3.percent_pb2 import FractionalPercent
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from google.protobuf.wrappers_pb2 import BoolValue, UInt32Value
from xds.core.v3.extension_pb2 import TypedExtensionConfig as XdsExtension
from xds.type.matcher.v3.matcher_pb2 import Matcher
from xds.type.matcher.v3.regex_pb2 import RegexMatcher as XdsRegexMatcher
from xds.type.matcher.v3.string_pb2 import StringMatcher as XdsStringMatcher
from xds.type.v3.typed_struct_pb2 import TypedStruct

from mirrorplane.api.matches import Op, StringMatch
from mirrorplane.api.resource import TYPE_URL_PREFIX, Resource
from mirrorplane.api.wire import varint

__all__ = [
    "AccessLog",
    "Address",
    "AggregatedConfigSource",
    "AnyMessage",
    "ApiVersion",
    "BindConfig",
    "BoolValue",
    "Buffer",
    "CertificateValidationContext",
    "CircuitBreakers",
    "Cluster",
    "ClusterLoadAssignment",
    "Composite",
    "ConfigSource",
    "CookieBasedSessionState",
    "Cors",
    "CorsPolicy",
    "DataSource",
    "DirectResponseAction",
    "DnsCluster",
    "DnsLookupFamily",
    "DownstreamTlsContext",
    "Duration",
    "Endpoint",
    "ExecuteFilterAction",
    "ExtAuthz",
    "ExtensionWithMatcher",
    "ExtensionWithMatcherPerRoute",
    "FileAccessLog",
    "Filter",
    "FilterChain",
    "FilterChainMatch",
    "FilterStateMatcher",
    "FilterStateValue",
    "FractionMatcher",
    "FractionalPercent",
    "HTTPFault",
    "HeaderBasedSessionState",
    "HeaderMatcher",
    "HeaderMutation",
    "HeaderValue",
    "HeaderValueOption",
    "HealthStatus",
    "Http1ProtocolOptions",
    "Http2ProtocolOptions",
    "HttpConnectionManager",
    "HttpFilter",
    "HttpInspector",
    "HttpProtocolOptions",
    "HttpRequestHeaderMatchInput",
    "HttpService",
    "LbEndpoint",
    "Listener",
    "ListenerFilter",
    "ListenerFilterChainMatchPredicate",
    "Locality",
    "LocalityLbEndpoints",
    "Matcher",
    "Message",
    "Metadata",
    "OriginalDst",
    "OutlierDetection",
    "PreviousHostsPredicate",
    "PreviousPriorities",
    "ProxyProtocolConfig",
    "ProxyProtocolUpstreamTransport",
    "QueryParameterMatcher",
    "RawBuffer",
    "Rds",
    "RedirectAction",
    "RegexMatcher",
    "RetryPolicy",
    "Route",
    "RouteAction",
    "RouteConfiguration",
    "RouteMatch",
    "Router",
    "RoutingPriority",
    "RuntimeDouble",
    "RuntimeFractionalPercent",
    "SdsSecretConfig",
    "Secret",
    "SetFilterState",
    "SkipFilter",
    "SocketAddress",
    "SourcePort",
    "StatefulSession",
    "StatefulSessionPerRoute",
    "StringMatcher",
    "Struct",
    "SubjectAltNameMatcher",
    "SubstitutionFormatString",
    "TcpProxy",
    "TlsInspector",
    "TlsParameters",
    "TrafficDirection",
    "TransportSocket",
    "TypedExtensionConfig",
    "UInt32Value",
    "UdpProxy",
    "UdpRoute",
    "UpstreamCodec",
    "UpstreamHttp",
    "UpstreamTlsContext",
    "VirtualHost",
    "WeightedByUtilization",
    "WeightedCluster",
    "XdsExtension",
    "XdsRegexMatcher",
    "XdsStringMatcher",
]  # fmt: skip

_MESSAGES: Mapping[str, Any] = {
    f"{TYPE_URL_PREFIX}{message.DESCRIPTOR.full_name}": message
    for message in (Cluster, ClusterLoadAssignment, Listener, RouteConfiguration)
}
_MAPS = frozenset({"typed_extension_protocol_options", "typed_per_filter_config"})
_STRUCTS = frozenset({"filter_metadata", "json_format", "value"})
_LENGTH_DELIMITED = 2


def resource(type_url: str, name: str, *chunks: bytes, uses: tuple[str, ...] = ()) -> Resource:
    """Wrap an encoded message, given in chunks; its version is the hash of its bytes.

    `uses` are the names of resources that it refers to: a cluster's endpoints, a listener's routes.
    """
    version = xxhash.xxh3_128()
    for chunk in chunks:
        version.update(chunk)
    return Resource(type_url, name, version.hexdigest(), chunks, uses)


def encode(message: Message) -> bytes:
    """Serialise deterministically: protobuf alone promises no order of maps."""
    body: bytes = message.SerializeToString(deterministic=True)
    return body


def encode_field(field: int, body: bytes) -> bytes:
    """Return an encoded message as field number `field` of an outer message."""
    return varint(field << 3 | _LENGTH_DELIMITED) + varint(len(body)) + body


def packed(message: Message) -> AnyMessage:
    """Wrap a message in an Any, deterministically."""
    any_message = AnyMessage()
    any_message.Pack(message, deterministic=True)
    return any_message


def typed_struct(type_url: str, fields: dict[str, Any]) -> AnyMessage:
    """Wrap the JSON form of a message that xds-protos lacks; Envoy converts a TypedStruct to the real type."""
    value = Struct()
    value.update(fields)
    return packed(TypedStruct(type_url=f"{TYPE_URL_PREFIX}{type_url}", value=value))


def duration(milliseconds: int) -> Duration:
    """Return whole milliseconds as a Duration."""
    return Duration(seconds=milliseconds // 1000, nanos=milliseconds % 1000 * 1_000_000)


def share(millionths: int) -> FractionalPercent:
    """Return a fraction in parts per MILLION, the only denominator in use. See decision 0003."""
    return FractionalPercent(numerator=millionths, denominator=FractionalPercent.MILLION)


def string_matcher(match: StringMatch) -> StringMatcher:
    """Return Envoy's form of a comparison."""
    if match.op is Op.REGEX:
        return StringMatcher(safe_regex=RegexMatcher(regex=match.value))
    return StringMatcher(**{match.op.value: match.value})


def to_dict(res: Resource) -> dict[str, Any]:
    """Decode a resource into plain values with Envoy's field names, for YAML and JSON output."""
    message = _MESSAGES[res.type_url].FromString(res.body)
    fields: dict[str, Any] = _plain(MessageToDict(message, preserving_proto_field_name=True))
    return fields


def from_dict(type_url: str, fields: dict[str, Any]) -> Resource:
    """Encode what `to_dict` returned, on this machine or another. Raises ValueError for anything else."""
    try:
        message = ParseDict(fields, _MESSAGES[type_url](), ignore_unknown_fields=True)
    except ParseError as error:
        raise ValueError(str(error)) from error
    name = fields.get("cluster_name") or fields.get("name") or ""
    return resource(type_url, name, encode(message))


def _plain(value: Any, *, sort: bool = False, deep: bool = False) -> Any:
    """Turn protobuf's containers into dict and list; maps, whose order protobuf does not keep, are sorted.

    `sort` is for this mapping, `deep` for everything in it.
    """
    if isinstance(value, Mapping):
        keys = sorted(value) if sort or deep else list(value)
        return {key: _plain(value[key], sort=key in _MAPS, deep=deep or key in _STRUCTS) for key in keys}
    return [_plain(inner, deep=deep) for inner in value] if isinstance(value, list) else value
