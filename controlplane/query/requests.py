"""A request as users write it: a method, a URL, headers. What it means depends on the listeners of the proxy."""

from urllib.parse import urlsplit

import msgspec

from mirrorplane.api.tracing import Request
from mirrorplane.translators.matching.decoded import DecodedResources
from mirrorplane.translators.matching.listeners import has_listener
from mirrorplane.translators.patterns import is_header_name

_PORTS = {"http": 80, "https": 443}
_NEVER_PROXIED = {"https", "udp"}
"""Schemes whose traffic never goes to the HTTP proxy port."""


class RequestError(ValueError):
    """An invalid URL or header. The message says how to write it."""


class RequestText(msgspec.Struct, frozen=True):
    """A request as written. `headers` are `name: value`; `random_value` is Envoy's random number, None: any."""

    method: str
    url: str
    headers: tuple[str, ...] = ()
    random_value: int | None = None

    @property
    def dialled_host(self) -> str:
        """The host that the client connects to, whatever its Host header says."""
        return urlsplit(self.url).hostname or ""


def parse_request(resources: DecodedResources, text: RequestText) -> Request:
    """Return the request as a proxy with these resources sees it. Raises RequestError."""
    try:
        parts = urlsplit(text.url)
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError) as error:
        raise RequestError(f"invalid URL {text.url!r}: write http://host:port/path") from error
    authority = parts.netloc.rpartition("@")[2]
    if not authority:
        raise RequestError(f"invalid URL {text.url!r}: the host is missing; write http://host:port/path")
    pairs = [_header(header) for header in text.headers]
    hosts = [value for name, value in pairs if name == "host"]
    return Request(
        authority=hosts[-1] if hosts else authority,
        path=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
        method=text.method,
        headers=tuple(pair for pair in pairs if pair[0] != "host"),
        port=port if parts.scheme in _NEVER_PROXIED or has_listener(resources, port) else 0,
        random_value=text.random_value,
        tls=parts.scheme == "https",
        udp=parts.scheme == "udp",
    )


def requested_port(text: RequestText) -> int:
    """Return the port of the URL. Only for a request that could be parsed."""
    parts = urlsplit(text.url)
    return parts.port or _PORTS[parts.scheme]


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not is_header_name(name.strip()):
        raise RequestError(f"invalid header {text!r}: write 'name: value'")
    return name.strip().lower(), value.strip()
