"""The partial wildcards (`*-shadow`) among the hosts of rules and policies.

A host is looked up by itself and by each wildcard of whole labels above it. The partial wildcards that may cover it
cannot be listed like that, so the objects that have one are indexed once more, under a key that is nearly always empty.
"""

from collections.abc import Iterable, Iterator

from mirrorplane.api.hosts import is_partial
from mirrorplane.api.view import View

PARTIAL = "*-"
"""The key of the objects with a partial wildcard; no host is spelled like it."""


def with_partial(hosts: Iterable[str]) -> Iterator[str]:
    """Yield hosts as the keys of an index, and the key of partial wildcards where one is among them."""
    for host in hosts:
        yield host
        if is_partial(host):
            yield PARTIAL


def partial_wildcards(view: View, index: str, prefix: str = "") -> frozenset[str]:
    """Return the partial wildcards of the objects in an index, whose keys begin with `prefix`."""
    lowered = [view.lowered(obj.ref) for obj in view.by(index, f"{prefix}{PARTIAL}")]
    hosts = {host for nouns in lowered for table in nouns.tables for host in table.hosts}
    hosts |= {policy.host for nouns in lowered for policy in nouns.policies}
    return frozenset(filter(is_partial, hosts))
