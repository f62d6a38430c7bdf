"""Listener filters: the original destination, and what a connection's first bytes say of its protocol."""

from collections.abc import Iterable

from mirrorplane.translators import envoy

_HTTP, _TLS = (f"envoy.filters.listener.{protocol}_inspector" for protocol in ("http", "tls"))


def restore_original_dst(body: envoy.Listener) -> None:
    """Ask the kernel for the address that a redirected connection was made to."""
    body.listener_filters.add(
        name="envoy.filters.listener.original_dst", typed_config=envoy.packed(envoy.OriginalDst())
    )


def detect_http(body: envoy.Listener, ports: Iterable[int], timeout_ms: int) -> None:
    """Detect HTTP on some ports. The others are left alone: where the server speaks first, waiting would block it."""
    any_port = envoy.ListenerFilterChainMatchPredicate()
    for port in ports:
        match = any_port.or_match.rules.add().destination_port_range
        # The end of Envoy's Int32Range is exclusive.
        match.start, match.end = port, port + 1
    rules = any_port.or_match.rules
    if not rules:
        return
    added = body.listener_filters.add(name=_HTTP, typed_config=envoy.packed(envoy.HttpInspector()))
    # Envoy rejects an or_match of a single rule.
    added.filter_disabled.not_match.CopyFrom(rules[0] if len(rules) == 1 else any_port)
    _limit_wait(body, timeout_ms)


def inspectors(timeout_ms: int, *, tls: bool, http: bool) -> envoy.Listener:
    """Return the part of a listener that detects TLS and HTTP."""
    body = envoy.Listener()
    if tls:
        body.listener_filters.add(name=_TLS, typed_config=envoy.packed(envoy.TlsInspector()))
    if http:
        body.listener_filters.add(name=_HTTP, typed_config=envoy.packed(envoy.HttpInspector()))
    if tls or http:
        _limit_wait(body, timeout_ms)
    return body


def read_server_name(body: envoy.Listener) -> None:
    """Read the SNI of TLS. A client that sends nothing for 15 seconds, Envoy's default, is disconnected."""
    body.listener_filters.add(name=_TLS, typed_config=envoy.packed(envoy.TlsInspector()))


def _limit_wait(body: envoy.Listener, timeout_ms: int) -> None:
    """Wait so long for the client's first bytes, then go on without them; 0 waits for ever.

    Istio's protocolDetectionTimeout.
    """
    body.listener_filters_timeout.CopyFrom(envoy.duration(timeout_ms))
    body.continue_on_listener_filters_timeout = True
