"""What some clients are let to see of the mesh, and where they call out (Istio: Sidecar)."""

from collections.abc import Mapping
from typing import ClassVar

import msgspec

from mirrorplane.api.actions import Destination
from mirrorplane.api.cluster_policy import ConnectionPool
from mirrorplane.api.hosts import covers
from mirrorplane.api.meta import Labels, Ref


class HostPattern(msgspec.Struct, frozen=True):
    """Hosts that a namespace declares, `*` for any: `host` is `*`, or `*.` before a name."""

    namespace: str
    host: str


class HostSelector(msgspec.Struct, frozen=True):
    """Hosts by who declares them. `exact`: the namespaces of each name.

    For a namespace, `*` stands for any and `.` for that of whoever looks.
    """

    ANY: ClassVar[str] = "*"
    OWN: ClassVar[str] = "."

    exact: Mapping[str, frozenset[str]] = {}
    wide: tuple[HostPattern, ...] = ()

    @property
    def is_everything(self) -> bool:
        """Tell whether nothing is left out."""
        return HostPattern(self.ANY, self.ANY) in self.wide

    def seen_from(self, namespace: str) -> "HostSelector":
        """Return the set with the namespace of whoever looks put in."""
        exact = {host: frozenset(self._put(namespace, said) for said in named) for host, named in self.exact.items()}
        return HostSelector(exact, tuple(HostPattern(self._put(namespace, p.namespace), p.host) for p in self.wide))

    def has(self, namespace: str, host: str) -> bool:
        """Tell whether a host or wildcard that a namespace declares is in the set, as a whole."""
        named = self.exact.get(host, ())
        if namespace in named or self.ANY in named:
            return True
        return any(p.namespace in {self.ANY, namespace} and covers(p.host, host) for p in self.wide)

    def meets(self, namespace: str, pattern: str) -> bool:
        """Tell whether a host or wildcard that a namespace declares has hosts in common with the set."""
        if self.has(namespace, pattern):
            return True
        if not pattern.startswith("*"):
            return False
        names = (host for host, said in self.exact.items() if said & {self.ANY, namespace})
        wide = (p.host for p in self.wide if p.namespace in {self.ANY, namespace})
        return any(covers(pattern, host) for host in (*names, *wide))

    def _put(self, namespace: str, said: str) -> str:
        return namespace if said == self.OWN else said


class EgressListener(msgspec.Struct, frozen=True):
    """Where clients call out: a port, or with 0 every port that no other listener names.

    `protocol` is a value of mesh.Protocol, "" for what the services' ports say. `bind` "": where the proxy binds.
    `bound`: the listener is really bound, whatever brings the other traffic.
    """

    hosts: HostSelector
    excluded: HostSelector = HostSelector()
    port: int = 0
    protocol: str = ""
    bind: str = ""
    bound: bool = False

    def imports(self, namespace: str, host: str) -> bool:
        """Tell whether a host that a namespace declares can be called here."""
        return self.hosts.has(namespace, host) and not self.excluded.has(namespace, host)

    def speaks_of(self, namespace: str, pattern: str) -> bool:
        """Tell whether rules for a host or wildcard, written in a namespace, hold here."""
        return self.hosts.meets(namespace, pattern) and not self.excluded.has(namespace, pattern)


class IngressListener(msgspec.Struct, frozen=True):
    """Where a workload is called. `protocol` is a value of mesh.Protocol.

    `address` "" is the one that was dialled, and `target` 0 the same port. `bind` "": where the proxy is.
    """

    port: int
    protocol: str
    bind: str = ""
    bound: bool = False
    address: str = ""
    target: int = 0
    pool: ConnectionPool | None = None


class SidecarScope(msgspec.Struct, frozen=True):
    """What clients of a namespace can call. With `clients`, labels, it is for those that carry them.

    `allow_any` None: as the mesh does with hosts that nobody declared; what is let through goes to `forwarder`.
    `pool` limits what comes in.
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
        """Return it as it is for a client of a namespace."""
        listeners = (
            msgspec.structs.replace(
                each, hosts=each.hosts.seen_from(namespace), excluded=each.excluded.seen_from(namespace)
            )
            for each in self.egress
        )
        return msgspec.structs.replace(self, egress=tuple(listeners))

    @property
    def is_unlimited(self) -> bool:
        """Tell whether every service can be called on all of its ports."""
        return any(
            each.port == 0 and each.hosts.is_everything and each.excluded == HostSelector() for each in self.egress
        )

    def listener(self, port: int) -> EgressListener | None:
        """Return where calls to a port are made: its own listener, else the one for all others, which is the last."""
        return next((each for each in self.egress if each.port in {port, 0}), None)
