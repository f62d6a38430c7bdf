"""Names in Gateway API: gateways as rules call them, the label of their routers, hosts."""

import re
from hashlib import sha256

from mirrorplane.api.gateways import gateway_name
from mirrorplane.api.hosts import is_ip
from mirrorplane.api.kinds.gateway_api.listener_set import LISTENER_SET
from mirrorplane.api.meta import Ref

API = "gateway-api"
_SETS = "listener-set"
ROUTER_LABEL = "gateway.networking.k8s.io/gateway-name"
"""A router serves the Gateway of its namespace that this label of it names, as `router_label` has it."""
_LONGEST_LABEL, _OF_HASH = 63, 10
_LABEL = "[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_HOST = re.compile(rf"(?P<wild>\*\.)?{_LABEL}(?:\.{_LABEL})*")
_LONGEST = 253
_SECTION = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")


def router_label(gateway: str) -> str:
    """Return what routers of a Gateway have as their label: its name, or what stands for one that is no label.

    Gateway API: values made of names are cut and told apart by a hash, as a label has at most 63 characters.
    """
    if len(gateway) <= _LONGEST_LABEL:
        return gateway
    digest = sha256(gateway.encode()).hexdigest()[:_OF_HASH]
    return f"{gateway[: _LONGEST_LABEL - _OF_HASH - 1]}-{digest}"


def api_of(owner: Ref) -> str:
    """Return what tells Gateways and ListenerSets of one name apart."""
    return _SETS if owner.kind == LISTENER_SET.key else API


def called(owner: Ref) -> str:
    """Return what rules call a Gateway or a ListenerSet."""
    return gateway_name(api_of(owner), owner.namespace, owner.name)


def section_problem(name: str) -> str:
    """Return why a listener cannot be called this, or ""."""
    return "" if _SECTION.fullmatch(name) else f"{name!r} is no name: lower case letters, digits, dashes and dots"


def hostname_problem(host: str, *, precise: bool = False) -> str:
    """Return why this is no hostname, or "": Gateway API allows lower case, no addresses, and `*.` unless `precise`."""
    found = _HOST.fullmatch(host)
    if found is None or len(host) > _LONGEST or is_ip(host):
        return f"{host!r} is no hostname: lower case letters, digits, dashes and dots, and no IP address"
    return f"{host!r} must be precise: no wildcard is allowed here" if precise and found["wild"] else ""
