"""Which hosts some clients may call, and on which listeners (Istio: Sidecar)."""

from collections.abc import Mapping
from typing import ClassVar

import msgspec

from mirrorplane.api.actions import Destination
from mirrorplane.api.cluster_policy import ConnectionPool
from mirrorplane.api.hosts import covers
from mirrorplane.api.meta import Labels, Ref


class HostPattern(msgspec.Struct, frozen=True):
    """The hosts of a namespace, or of any with `*`, that match `host`: `*`, or `*.` before a name."""

    namespace: str
    host: str


class HostSelector(msgspec.Struct, frozen=True):
    """Hosts by the namespace that declares them. `exact`: the namespaces of each name.

    The namespace `*` is any, and `.` the client's own.
    """

    ANY: ClassVar[str] = "*"
    OWN: ClassVar[str] = "."

    exact: Mapping[str, frozenset[str]] = {}
    wide: tuple[HostPattern, ...] = ()

    @property
    def matches_all(self) -> bool:
        """Tell whether every host is selected."""
        return HostPattern(self.ANY, self.ANY) in self.wide

    def seen_from(self, namespace: str) -> "HostSelector":
        """Return the selector for clients of a namespace, which replaces `.`."""
        exact = {
            host: frozenset(self._resolve(namespace, selected) for selected in namespaces)
            for host, namespaces in self.exact.items()
        }
        patterns = (HostPattern(self._resolve(namespace, p.namespace), p.host) for p in self.wide)
        return HostSelector(exact, tuple(patterns))

    def has(self, namespace: str, host: str) -> bool:
        """Tell whether a host or wildcard of a namespace is selected as a whole."""
        namespaces = self.exact.get(host, ())
        if namespace in namespaces or self.ANY in namespaces:
            return True
        return any(p.namespace in {self.ANY, namespace} and covers(p.host, host) for p in self.wide)

    def meets(self, namespace: str, pattern: str) -> bool:
        """Tell whether some host that a host or wildcard of a namespace covers is selected."""
        if self.has(namespace, pattern):
            return True
        if not pattern.startswith("*"):
            return False
        names = (host for host, namespaces in self.exact.items() if namespaces & {self.ANY, namespace})
        patterns = (p.host for p in self.wide if p.namespace in {self.ANY, namespace})
        return any(covers(pattern, host) for host in (*names, *patterns))

    def _resolve(self, client: str, namespace: str) -> str:
        return client if namespace == self.OWN else namespace


class EgressListener(msgspec.Struct, frozen=True):
    """An outbound listener: for a port, or with 0 for every port without a listener of its own.

    `protocol` is a value of mesh.Protocol, "" for that of the services' ports. `bind` "": the proxy's own address.
    `bound`: the listener is really bound, even if other traffic is intercepted.
    """

    hosts: HostSelector
    excluded: HostSelector = HostSelector()
    port: int = 0
    protocol: str = ""
    bind: str = ""
    bound: bool = False

    def imports(self, namespace: str, host: str) -> bool:
        """Tell whether a host of a namespace can be called here."""
        return self.hosts.has(namespace, host) and not self.excluded.has(namespace, host)

    def speaks_of(self, namespace: str, pattern: str) -> bool:
        """Tell whether rules of a namespace for a host or wildcard apply here."""
        return self.hosts.meets(namespace, pattern) and not self.excluded.has(namespace, pattern)


class IngressListener(msgspec.Struct, frozen=True):
    """An inbound listener. `protocol` is a value of mesh.Protocol.

    Traffic is forwarded to `address`, "" being the one that was dialled, and port `target`, 0 being the same port.
    `bind` "": the proxy's own address.
    """

    port: int
    protocol: str
    bind: str = ""
    bound: bool = False
    address: str = ""
    target: int = 0
    pool: ConnectionPool | None = None


class SidecarScope(msgspec.Struct, frozen=True):
    """The limits of the clients of a namespace; with `clients`, of those with these labels.

    `allow_any`: undeclared hosts can be called, through `forwarder` if there is one; None leaves that to the mesh.
    `pool` limits inbound traffic.
    """

    ref: Ref
    clients: Labels = ()
    created: str = ""
    egress: tuple[EgressListener, ...] = ()
    allow_any: bool | None = None
    forwarder: Destination | None = None
    ingress: tuple[IngressListener, ...] = ()
    pool: ConnectionPool | None = None

    def seen_from(self, namespace: str) -> "SidecarScope":
        """Return the scope for clients of a namespace."""
        listeners = (
            msgspec.structs.replace(
                listener, hosts=listener.hosts.seen_from(namespace), excluded=listener.excluded.seen_from(namespace)
            )
            for listener in self.egress
        )
        return msgspec.structs.replace(self, egress=tuple(listeners))

    @property
    def is_unlimited(self) -> bool:
        """Tell whether every service can be called on all of its ports."""
        return any(
            listener.port == 0 and listener.hosts.matches_all and listener.excluded == HostSelector()
            for listener in self.egress
        )

    def listener(self, port: int) -> EgressListener | None:
        """Return the listener of a port: its own, else the one for all others, which is the last."""
        return next((listener for listener in self.egress if listener.port in {port, 0}), None)
