"""Proxy -> Scope: keep of a proxy only what may change its configuration."""

import ipaddress

import msgspec

from api.meta import Labels
from api.proxy import ROUTER, Locality, Proxy, Scope, Viewer
from api.view import View
from translators.settings import mesh

_LOOPBACK = "127.0.0.1"


class Criteria(msgspec.Struct, frozen=True):
    """What about proxies matters to some object.

    `labels` are keys that some match's sourceLabels name, `ranked` those that some rule compares with endpoints'.
    `locality`: some rule prefers near endpoints. `clients` are namespaces with keys by which their policies select.
    """

    labels: frozenset[str] = frozenset()
    locality: bool = False
    ranked: frozenset[str] = frozenset()
    clients: frozenset[tuple[str, str]] = frozenset()


def criteria(view: View) -> Criteria:
    """Return what about proxies matters to some object."""
    said = [m for obj in view.by("policy.near", "*") for p in view.lowered(obj.ref).policies for m in p.manners]
    near = [m.balancing.nearness for m in said if m.balancing is not None and m.balancing.nearness is not None]
    whole = view.memo(mesh).nearness
    near += [whole] if whole is not None else []
    return Criteria(
        labels=frozenset(
            key
            for obj in view.by("route.source_labels", "*")
            for table in view.lowered(obj.ref).tables
            for route in table.routes
            for key, _ in route.match.source_labels
        ),
        locality=any(manner.ranks_localities or manner.weighs_localities for manner in said)
        or (whole is not None and whole.enabled and whole.spreads != ()),
        ranked=frozenset(label.partition("=")[0] for n in near for label in n.by_labels),
        clients=frozenset(
            (policy.namespace, key)
            for obj in view.by("policy.clients", "*")
            for policy in view.lowered(obj.ref).policies
            for key, _ in policy.clients
        ),
    )


def scope_of(proxy: Proxy, asked: Criteria) -> Scope:
    """Return the proxy's scope; of its labels, those that are asked for.

    Routers are sent secrets, so theirs holds their identity: two of them share nothing unless they are the same.
    """
    return Scope(
        role=proxy.role,
        viewer=Viewer(proxy.namespace),
        domain=proxy.domain,
        labels=_chosen(proxy, asked.labels),
        bind=_bind(proxy),
        unprivileged=proxy.unprivileged,
        identity=proxy.identity if proxy.role == ROUTER else "",
        locality=proxy.locality if asked.locality else Locality(),
        ranked=_chosen(proxy, asked.ranked),
        selected=_chosen(proxy, frozenset(key for namespace, key in asked.clients if namespace == proxy.namespace)),
    )


def _chosen(proxy: Proxy, keys: frozenset[str]) -> Labels:
    return tuple(sorted((k, v) for k, v in proxy.labels.items() if k in keys)) if keys else ()


def _bind(proxy: Proxy) -> str:
    """Return where listeners are bound: loopback, so that only the workload beside the proxy can call out through it.

    A proxy whose own address is a loopback one gets that, so that many proxies can share one machine.
    """
    address = ipaddress.ip_address(proxy.ip)
    return proxy.ip if address.is_loopback else _LOOPBACK
