"""One sample request for each route that a proxy is served: the smallest one that the route's matchers accept.

See decision 0137.
"""

import re
from collections.abc import Iterable, Iterator

import msgspec

from mirrorplane.api.hosts import is_ip
from mirrorplane.api.tracing import Request
from mirrorplane.translators import envoy, names
from mirrorplane.translators.matching.decoded import DecodedResources
from mirrorplane.translators.matching.outcome import match_problem

_ANY_HOST = "any.example"
_LITERAL = re.compile(r"[^\\.^$*+?()\[\]{}|]*")
_DEFAULTS = {"present_match": "x", "safe_regex": "x"}


class _Entrance(msgspec.Struct, frozen=True):
    """How requests reach a route configuration: a port (0: the HTTP proxy), an address, with or without TLS.

    `server_names` are those that its filter chain is for; none: any.
    """

    port: int
    address: str = ""
    tls: bool = False
    server_names: tuple[str, ...] = ()


def sample_requests(resources: DecodedResources) -> list[Request]:
    """Return the samples, each once, in the order of listeners and routes.

    Routes that no sample could be made for are left out: those with a regex that its own prefix does not match.
    """
    return list(dict.fromkeys(_samples(resources)))


def _samples(resources: DecodedResources) -> Iterator[Request]:
    for entrance, configuration in _entrances(resources):
        for host in configuration.virtual_hosts:
            authority = _authority(host.domains, entrance.server_names)
            for route in host.routes:
                sample = _sample(route.match, authority, entrance)
                if not match_problem(route.match, sample):
                    yield sample


def _entrances(resources: DecodedResources) -> Iterator[tuple[_Entrance, envoy.RouteConfiguration]]:
    for _, listener in sorted(resources.listeners.items()):
        if listener.traffic_direction == envoy.TrafficDirection.INBOUND:
            continue
        socket = listener.address.socket_address
        for chain in listener.filter_chains:
            for network_filter in chain.filters:
                if not network_filter.typed_config.Is(envoy.HttpConnectionManager.DESCRIPTOR):
                    continue
                manager = envoy.HttpConnectionManager.FromString(network_filter.typed_config.value)
                inline = manager.route_config if manager.HasField("route_config") else None
                configuration = inline or resources.configurations.get(manager.rds.route_config_name)
                proxied = manager.rds.route_config_name == names.HTTP_PROXY
                if configuration is not None:
                    address = "" if socket.address == names.ANY_ADDRESS else socket.address
                    tls = chain.HasField("transport_socket")
                    server_names = tuple(chain.filter_chain_match.server_names)
                    yield _Entrance(0 if proxied else socket.port_value, address, tls, server_names), configuration


def _authority(domains: Iterable[str], server_names: tuple[str, ...]) -> str:
    """Return a host of a virtual host: the shortest name where there is one, else one below a wildcard.

    With TLS the filter chain is chosen by the same name: one of its own, where the wildcard covers it.
    """
    written = [domain for domain in domains if "*" not in domain]
    if written:
        return min(written, key=lambda domain: (is_ip(domain.rpartition(":")[0] or domain), len(domain)))
    wildcard = next(iter(domains), "*").partition(":")[0]
    narrower = (name for name in server_names if name.endswith(wildcard.removeprefix("*")))
    host = max(narrower, key=len, default=wildcard)
    return _ANY_HOST if host == "*" else host.replace("*", "any")


def _sample(match: envoy.RouteMatch, authority: str, entrance: _Entrance) -> Request:
    pairs = [(matcher.name.lower(), _header_value(matcher)) for matcher in match.headers if not matcher.invert_match]
    headers = {name: value for name, value in pairs if value is not None}
    path = headers.pop(":path", "") or _path(match)
    query = "&".join(f"{q.name}={_string(q.string_match)}" for q in match.query_parameters)
    dialled = next((m.string_match.exact for m in match.filter_state if m.string_match.exact), entrance.address)
    return Request(
        authority=headers.pop(":authority", "") or headers.pop("host", "") or authority,
        path=f"{path}?{query}" if query else path,
        method=headers.pop(":method", "GET"),
        scheme=headers.pop(":scheme", "https" if entrance.tls else "http"),
        headers=tuple(sorted(headers.items())),
        port=entrance.port,
        tls=entrance.tls,
        address=dialled,
    )


def _path(match: envoy.RouteMatch) -> str:
    kind = match.WhichOneof("path_specifier")
    if kind == "safe_regex":
        literal = _LITERAL.match(match.safe_regex.regex)
        return literal.group() if literal is not None and literal.group().startswith("/") else "/"
    return getattr(match, kind) or "/"


def _header_value(matcher: envoy.HeaderMatcher) -> str | None:
    """Return a value that a matcher accepts; None where the header must be absent."""
    if matcher.WhichOneof("header_match_specifier") == "present_match":
        return _DEFAULTS["present_match"] if matcher.present_match else None
    return _string(matcher.string_match)


def _string(matcher: envoy.StringMatcher) -> str:
    kind = matcher.WhichOneof("match_pattern")
    if kind == "safe_regex":
        literal = _LITERAL.match(matcher.safe_regex.regex)
        return literal.group() if literal is not None and literal.group() else _DEFAULTS[kind]
    return str(getattr(matcher, kind)) if kind else ""
