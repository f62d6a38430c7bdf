"""Proxy -> Scope: keep of a proxy only what may change its configuration."""

import ipaddress

from api.proxy import ROUTER, Proxy, Scope
from api.view import View

_LOOPBACK = "127.0.0.1"


def criteria(view: View) -> frozenset[str]:
    """Return what about proxies matters to some object: the label keys that some match's sourceLabels name."""
    return frozenset(
        key
        for obj in view.by("route.source_labels", "*")
        for table in view.lowered(obj.ref).tables
        for route in table.routes
        for key, _ in route.match.source_labels
    )


def scope_of(proxy: Proxy, asked: frozenset[str]) -> Scope:
    """Return the proxy's scope; of its labels, those that are asked for.

    Routers are sent secrets, so theirs holds their identity: two of them share nothing unless they are the same.
    """
    return Scope(
        role=proxy.role,
        namespace=proxy.namespace,
        domain=proxy.domain,
        labels=tuple(sorted((k, v) for k, v in proxy.labels.items() if k in asked)),
        bind=_bind(proxy),
        unprivileged=proxy.unprivileged,
        identity=proxy.identity if proxy.role == ROUTER else "",
    )


def _bind(proxy: Proxy) -> str:
    """Return where listeners are bound: loopback, so that only the workload beside the proxy can call out through it.

    A proxy whose own address is a loopback one gets that, so that many proxies can share one machine.
    """
    address = ipaddress.ip_address(proxy.ip)
    return proxy.ip if address.is_loopback else _LOOPBACK
