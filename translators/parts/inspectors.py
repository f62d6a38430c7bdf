"""Listener filters that look at the first bytes of a connection, to tell what it is."""

from collections.abc import Iterable

from mirrorplane.translators import envoy

_HTTP, _TLS = (f"envoy.filters.listener.{seen}_inspector" for seen in ("http", "tls"))


def original_address(body: envoy.Listener) -> None:
    """Ask the kernel where connections were meant to go before it brought them here."""
    body.listener_filters.add(
        name="envoy.filters.listener.original_dst", typed_config=envoy.packed(envoy.OriginalDst())
    )


def http_on(body: envoy.Listener, ports: Iterable[int], wait_ms: int) -> None:
    """Look for HTTP in what was meant for some ports, and at nothing else: there the server may speak first."""
    looked_at = envoy.ListenerFilterChainMatchPredicate()
    for port in ports:
        only = looked_at.or_match.rules.add().destination_port_range
        only.start, only.end = port, port + 1
    rules = looked_at.or_match.rules
    if not rules:
        return
    added = body.listener_filters.add(name=_HTTP, typed_config=envoy.packed(envoy.HttpInspector()))
    added.filter_disabled.not_match.CopyFrom(rules[0] if len(rules) == 1 else looked_at)
    _wait(body, wait_ms)


def wanted(wait_ms: int, *, tls: bool, http: bool) -> envoy.Listener:
    """Return the part of a listener that looks for TLS and for HTTP."""
    body = envoy.Listener()
    if tls:
        body.listener_filters.add(name=_TLS, typed_config=envoy.packed(envoy.TlsInspector()))
    if http:
        body.listener_filters.add(name=_HTTP, typed_config=envoy.packed(envoy.HttpInspector()))
    if tls or http:
        _wait(body, wait_ms)
    return body


def names_on(body: envoy.Listener) -> None:
    """Look at the server name that TLS asks for; who says nothing for Envoy's 15 seconds is hung up on."""
    body.listener_filters.add(name=_TLS, typed_config=envoy.packed(envoy.TlsInspector()))


def _wait(body: envoy.Listener, wait_ms: int) -> None:
    """Wait so long for the client's first bytes; 0 is as long as it takes (Istio's protocolDetectionTimeout)."""
    body.listener_filters_timeout.CopyFrom(envoy.duration(wait_ms))
    body.continue_on_listener_filters_timeout = True
