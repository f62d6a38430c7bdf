"""Addresses that lead to the machine of whatever dials them, or to what answers that machine alone.

A proxy that sends requests there reaches services that trust its machine: Envoy's admin interface, the cloud's metadata
service with the machine's credentials. See decision 0128.
"""

import ipaddress
import re
from collections.abc import Iterable

from mirrorplane.api.hosts import is_range, is_unix, literal

_METADATA = frozenset(
    map(
        ipaddress.ip_address,
        ("fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192"),
    )
)
"""Outside the link-local range: of AWS and Google over IPv6, Alibaba Cloud, Azure (WireServer), Oracle Cloud."""
_METADATA_NAMES = frozenset(("metadata.google.internal", "metadata.goog", "metadata", "instance-data.ec2.internal"))
_LOCAL_NAMES = ("localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback")
_SHORTHAND = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
"""A name whose last label is a number: resolvers read 127.1 and 0x7f000001 as addresses, and no domain ends so."""


_USUAL_IPV4 = re.compile(r"([1-9]\d|[1-9]|1\d\d|2[01]\d|22[0-3])(?:\.(?:0|[1-9]\d{0,2})){3}", re.ASCII)
"""Below the multicast range, with the first octet as a group."""
_UNUSUAL_OCTETS = frozenset(("127", "169", "100", "168", "192"))
"""The first octets of the IPv4 addresses that are local or of a metadata service; 0 has no match above."""


def local_kind(address: str) -> str:
    """Return what makes an address of an endpoint local, as `a loopback address`; "" for any other.

    It is an IP address, a name that DNS resolves, or a Unix socket. What DNS answers for other names is not known.
    """
    usual = _USUAL_IPV4.fullmatch(address)
    if usual is not None and usual[1] not in _UNUSUAL_OCTETS:
        return ""  # nearly all endpoints: this takes a tenth of the parsing, for thousands in a slice
    if is_unix(address):
        return "a socket of the proxy's machine"
    ip = _parsed(address)
    return _name_kind(literal(address)) if ip is None else _ip_kind(ip)


def is_listed(address: str, allowed: Iterable[str]) -> bool:
    """Tell whether an address is among those listed: by a range of IP addresses, its name, or the start of its path."""
    return any(_matches(address, entry) for entry in allowed)


def entry_problem(entry: str) -> str:
    """Return why an entry of such a list is invalid, or ""."""
    if is_range(entry) or is_unix(entry) or local_kind(entry):
        return ""
    return f"{entry!r} is not a range of IP addresses, the start of a Unix socket's path (unix:///…), or a local name"


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return an IP address; an IPv4 address inside an IPv6 one is dialled as IPv4."""
    if not (address[-1:].isdigit() or ":" in address):
        return None
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return None
    return ip.ipv4_mapped or ip if isinstance(ip, ipaddress.IPv6Address) else ip


def _ip_kind(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    if ip in _METADATA:
        return "the address of a cloud's metadata service"
    if ip.is_loopback:
        return "a loopback address"
    if ip.is_unspecified:
        return "the unspecified address, which leads to the proxy's own machine"
    if ip.is_link_local:
        return "a link-local address"
    return "a multicast address" if ip.is_multicast else ""


def _name_kind(name: str) -> str:
    if name in _METADATA_NAMES:
        return "the name of a cloud's metadata service"
    if name in _LOCAL_NAMES or name.endswith(".localhost"):
        return "a name of the proxy's own machine"
    return "a number, which resolvers take for an address" if _SHORTHAND.fullmatch(name) else ""


def _matches(address: str, entry: str) -> bool:
    if is_unix(address) or is_unix(entry):
        return is_unix(address) and address.startswith(entry) and "/../" not in address
    ip = _parsed(address)
    if ip is None or not is_range(entry):
        return literal(address) == literal(entry)
    return ip in ipaddress.ip_network(entry, strict=False)
