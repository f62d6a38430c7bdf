"""How hosts are called: subsets, and what holds for calls to them; how routers secure the line to services."""

import msgspec

from mirrorplane.api.cluster_policy import ClusterPolicy, Layer, Tls, overlaid
from mirrorplane.api.meta import Labels, Ref

_NOTHING = Layer()


class Subset(msgspec.Struct, frozen=True):
    """The endpoints of a service that carry these labels, and what holds for calls to them."""

    name: str
    labels: Labels = ()
    layer: Layer = _NOTHING


class TrafficPolicy(msgspec.Struct, frozen=True):
    """How to call a host (Istio: DestinationRule). `layer` None: nothing is said but of subsets.

    `clients` are labels: the rule is for the proxies of its namespace that carry them, and for all when there are none.
    """

    host: str
    namespace: str
    ref: Ref
    subsets: tuple[Subset, ...] = ()
    export_to: tuple[str, ...] = ("*",)
    created: str = ""
    layer: Layer | None = None
    clients: Labels = ()

    def subset(self, name: str) -> Subset | None:
        """Return a named subset."""
        return next((s for s in self.subsets if s.name == name), None)

    @property
    def is_plain(self) -> bool:
        """Tell whether nothing is said but which subsets there are."""
        return self.layer is None and all(subset.layer is _NOTHING for subset in self.subsets)

    @property
    def cluster_policies(self) -> tuple[ClusterPolicy, ...]:
        """All manners that are said, of whatever port and subset, and what they come to together."""
        ports = {number for layer in self._layers for number, _ in layer.ports} | {0}
        return tuple(self.cluster_policy(port, subset) for port in sorted(ports) for subset in ("", *self._names))

    def cluster_policy(self, port: int, subset: str = "") -> ClusterPolicy:
        """Return what holds for calls to a port of the host, or of a subset of it.

        Istio: what is said of a single port replaces what is said of all, also what it leaves out.
        """
        layer = self.layer or Layer()
        whole = layer.on(port) or layer.whole
        named = self.subset(subset) if subset else None
        return overlaid(whole, named.layer, port) if named else whole

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(subset.name for subset in self.subsets)

    @property
    def _layers(self) -> tuple[Layer, ...]:
        return (self.layer or Layer(), *(subset.layer for subset in self.subsets))


class BackendTls(msgspec.Struct, frozen=True):
    """How routers secure the line to a service (Gateway API: BackendTLSPolicy). `port` is a port's name, "" for all."""

    service: Ref
    port: str
    tls: Tls
    ref: Ref
    created: str = ""

    @property
    def age(self) -> tuple[str, str, str]:
        """Sort key of Gateway API's "oldest wins"."""
        return self.created, self.ref.namespace, self.ref.name
