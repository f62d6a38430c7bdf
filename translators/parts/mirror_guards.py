"""Guards of a mirror's cluster: limits on what is sent to a mirror, and on what it sends back.

A worker of Envoy serves its connections in turns, and a mirror's connection takes part in them: what is read from it in
one turn is how long all others wait. So its buffers are small. What makes small buffers safe for originals is that
a copy is sent when it is complete. Measured on Envoy 1.40; what older versions lack is here and nowhere else. See
decisions 0001, 0002 and 0123.
"""

from collections.abc import Collection

from mirrorplane.api.envoy_features import BODY_SIZE_LIMIT
from mirrorplane.api.mirrors import Guards
from mirrorplane.translators import envoy

# Filters and fields of Envoy that xds-protos 1.85 does not have: sent as a TypedStruct, and as encoded bytes.
_BODY_SIZE_LIMIT = "envoy.extensions.filters.http.body_size_limit.v3.BodySizeLimit"
_HIGH_WATERMARK_TIMEOUT = 60
"""The number of Cluster.per_connection_buffer_high_watermark_timeout, which Envoy has since 1.38."""

_HEADERS_BYTES = 1 << 16
"""More than the headers of a request (Envoy: at most 60 KiB)."""

BUFFER_BYTES = _HEADERS_BYTES
"""How much of a mirror's connection a worker reads in one turn, and what may wait to be written to it."""

HTTP2_STREAM_BYTES = Guards.BODY_BYTES_CEILING + _HEADERS_BYTES
"""The window of a stream. Envoy also lets as much of a request wait for the window of its peer: a whole copy."""
HTTP2_WINDOW_BYTES = 1 << 18
"""What a mirror may send on a connection before Envoy has handled what came before."""

STALL_MS = 500
"""How long a connection may be over its buffer limit: how long a gRPC stream or WebSocket may wait for its copy."""


def guard(
    cluster: envoy.Cluster, http: envoy.UpstreamHttp, guards: Guards, missing_features: Collection[str] = ()
) -> None:
    """Put the guards on a mirror's cluster and its HTTP options. A limit that is stricter already stays.

    An Envoy without `body_size_limit` cannot bound a copy that is sent as it comes, so it holds every copy until it is
    complete. See decision 0144.
    """
    streams = BODY_SIZE_LIMIT.name not in missing_features
    connect_ms = min(cluster.connect_timeout.ToMilliseconds(), guards.connect_timeout_ms)
    cluster.connect_timeout.CopyFrom(envoy.duration(connect_ms))
    for thresholds in cluster.circuit_breakers.thresholds:
        _tighten(thresholds, guards.max_requests)
    _limit_buffers(cluster, http)
    if streams:
        _limit_stalls(cluster)
    _limit_time(http.common_http_protocol_options, guards.deadline_ms)
    http.http_filters.extend(_filters(guards.max_body_bytes, streams=streams))
    # A mirror's name that DNS does not resolve must not hold up the proxy's start, or other clusters and their routes.
    cluster.wait_for_warm_on_init.value = False


def _tighten(thresholds: envoy.CircuitBreakers.Thresholds, max_requests: int) -> None:
    """Lower the limits to those of copies, which are never retried."""
    for limit in (thresholds.max_connections, thresholds.max_pending_requests, thresholds.max_requests):
        limit.value = min(limit.value, max_requests)
    thresholds.max_retries.value = 0
    thresholds.ClearField("retry_budget")


def _limit_buffers(cluster: envoy.Cluster, http: envoy.UpstreamHttp) -> None:
    """Limit what is read in one turn of a worker, and what waits to be written. Envoy has one limit for both.

    A connection carries one copy at a time, over HTTP/2 too: one that copies share would need room for the bodies of
    all, since above its limit each pauses its original. With 1 MiB, a flood of 1xx responses over HTTP/2 held up a
    neighbour for 254 to 564 ms, and with 64 KiB for 29 to 43 ms (Envoy 1.40).
    """
    http2 = _http2_options(http)
    cluster.per_connection_buffer_limit_bytes.value = BUFFER_BYTES
    if http2 is not None:
        http2.max_concurrent_streams.value = 1
        http2.initial_stream_window_size.value = HTTP2_STREAM_BYTES
        http2.initial_connection_window_size.value = HTTP2_WINDOW_BYTES


def _limit_stalls(cluster: envoy.Cluster) -> None:
    """Limit how long a copy that is sent as it comes may hold up its original."""
    stall = envoy.encode(envoy.duration(STALL_MS))
    cluster.MergeFromString(envoy.encode_field(_HIGH_WATERMARK_TIMEOUT, stall))


def _http2_options(http: envoy.UpstreamHttp) -> envoy.Http2ProtocolOptions | None:
    """Return the options of HTTP/2; None when the cluster never speaks it."""
    options = getattr(http, http.WhichOneof("upstream_protocol_options") or "explicit_http_config")
    return options.http2_protocol_options if options.HasField("http2_protocol_options") else None


def _limit_time(options: envoy.HttpProtocolOptions, deadline_ms: int) -> None:
    """End copies at the deadline, and connections that have had none for as long.

    The route's timeout starts when the request is complete, and many routes have none: neither ends a stuck copy. An
    HTTP/2 mirror can flood a connection without a copy (RST_STREAM, GOAWAY), by default for an hour.
    """
    options.max_stream_duration.CopyFrom(envoy.duration(deadline_ms))
    idle_ms = options.idle_timeout.ToMilliseconds() or deadline_ms
    options.idle_timeout.CopyFrom(envoy.duration(min(idle_ms, deadline_ms)))


def _filters(max_body_bytes: int, *, streams: bool) -> tuple[envoy.HttpFilter, ...]:
    """Return the filters of copies. A cluster with HTTP filters of its own has to end them with the codec.

    `streams`: copies of streams are sent as they come.
    """
    codec = envoy.HttpFilter(name="envoy.filters.http.upstream_codec", typed_config=envoy.packed(envoy.UpstreamCodec()))
    buffer = envoy.packed(envoy.Buffer(max_request_bytes=envoy.UInt32Value(value=max_body_bytes)))
    if not streams:
        # It answers a copy over the limit 413, before any of it is sent.
        return envoy.HttpFilter(name="envoy.filters.http.buffer", typed_config=buffer), codec
    body_limit = envoy.typed_struct(_BODY_SIZE_LIMIT, {"max_request_bytes": max_body_bytes})
    return (
        # Envoy 1.40: a copy over the limit is cut off, and counted in `upstream_rq_cancelled` of this cluster.
        envoy.HttpFilter(name=BODY_SIZE_LIMIT.upstream_filter, typed_config=body_limit),
        envoy.HttpFilter(
            name="envoy.filters.http.match_delegate", typed_config=envoy.packed(_unless_streaming(buffer))
        ),
        codec,
    )


def _unless_streaming(buffer: envoy.AnyMessage) -> envoy.ExtensionWithMatcher:
    """Hold a copy until its request is complete, unless it is a stream: gRPC and upgrades are copied as they come."""
    body = envoy.ExtensionWithMatcher()
    body.extension_config.name = "buffer"
    body.extension_config.typed_config.CopyFrom(buffer)
    _skip(body, "content-type", envoy.XdsStringMatcher(prefix="application/grpc"))
    any_value = envoy.XdsRegexMatcher(google_re2=envoy.XdsRegexMatcher.GoogleRE2(), regex=".+")
    _skip(body, "upgrade", envoy.XdsStringMatcher(safe_regex=any_value))
    return body


def _skip(body: envoy.ExtensionWithMatcher, header: str, value: envoy.XdsStringMatcher) -> None:
    """Leave requests with a header alone."""
    matcher = body.xds_matcher.matcher_list.matchers.add()
    predicate = matcher.predicate.single_predicate
    predicate.input.name = header
    predicate.input.typed_config.CopyFrom(envoy.packed(envoy.HttpRequestHeaderMatchInput(header_name=header)))
    predicate.value_match.CopyFrom(value)
    matcher.on_match.action.name = "skip"
    matcher.on_match.action.typed_config.CopyFrom(envoy.packed(envoy.SkipFilter()))
