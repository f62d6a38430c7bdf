"""Names in Gateway API: of gateways as routes bind to them, of the label of their routers, of hosts."""

import re
from hashlib import sha256

from mirrorplane.api.gateways import gateway_name
from mirrorplane.api.hosts import is_ip
from mirrorplane.api.kinds.gateway_api.listener_set import LISTENER_SET
from mirrorplane.api.meta import Ref

_GATEWAY_API, _LISTENER_SET = "gateway-api", "listener-set"
ROUTER_LABEL = "gateway.networking.k8s.io/gateway-name"
"""A router serves the Gateway of its namespace whose name, shortened by `router_label`, this label of it has."""
# The longest label value of Kubernetes, 40 bits of a hash, and the longest hostname of Gateway API.
_MAX_LABEL, _HASH_DIGITS, _MAX_HOST = 63, 10, 253
_LABEL = "[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_HOST = re.compile(rf"(?P<wildcard>\*\.)?{_LABEL}(?:\.{_LABEL})*")
_SECTION = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")


def router_label(gateway: str) -> str:
    """Return the label value of the routers of a Gateway: its name, or a shortened one.

    Gateway API: a name of more than 63 characters is cut, and a hash keeps it unique.
    """
    if len(gateway) <= _MAX_LABEL:
        return gateway
    digest = sha256(gateway.encode()).hexdigest()[:_HASH_DIGITS]
    return f"{gateway[: _MAX_LABEL - _HASH_DIGITS - 1]}-{digest}"


def api_prefix(parent: Ref) -> str:
    """Return the prefix that keeps Gateways and ListenerSets of one name apart, from each other and from Istio's."""
    return _LISTENER_SET if parent.kind == LISTENER_SET.key else _GATEWAY_API


def binding_name(parent: Ref) -> str:
    """Return the name by which routes bind to a Gateway or a ListenerSet."""
    return gateway_name(api_prefix(parent), parent.namespace, parent.name)


def section_problem(name: str) -> str:
    """Return why a section cannot have this name, or ""."""
    if _SECTION.fullmatch(name):
        return ""
    return f"invalid name {name!r}: use lower-case letters, digits, dashes and dots"


def hostname_problem(host: str, *, precise: bool = False) -> str:
    """Return why a hostname is invalid, or "": Gateway API allows no IP addresses, and `*.` unless `precise`."""
    match = _HOST.fullmatch(host)
    if match is None or len(host) > _MAX_HOST or is_ip(host):
        return f"invalid hostname {host!r}: use lower-case letters, digits, dashes and dots, and no IP address"
    return f"invalid hostname {host!r}: wildcards are not allowed here" if precise and match["wildcard"] else ""
