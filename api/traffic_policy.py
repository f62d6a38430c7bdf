"""How hosts are called: subsets and their cluster policies, and how routers originate TLS to services."""

import msgspec

from mirrorplane.api.cluster_policy import ClusterPolicy, Layer, Tls, merge_layer
from mirrorplane.api.meta import Labels, Ref

_EMPTY = Layer()


class Subset(msgspec.Struct, frozen=True):
    """The endpoints of a service with these labels, and the policy for calls to them."""

    name: str
    labels: Labels = ()
    layer: Layer = _EMPTY


class TrafficPolicy(msgspec.Struct, frozen=True):
    """How to call a host (Istio: DestinationRule). `layer` None: the rule only defines subsets.

    `client_labels` select the proxies of the rule's namespace that it applies to; empty selects every client.
    """

    host: str
    namespace: str
    ref: Ref
    subsets: tuple[Subset, ...] = ()
    export_to: tuple[str, ...] = ("*",)
    created: str = ""
    layer: Layer | None = None
    client_labels: Labels = ()

    def subset(self, name: str) -> Subset | None:
        """Return the subset of this name."""
        return next((s for s in self.subsets if s.name == name), None)

    @property
    def defines_only_subsets(self) -> bool:
        """Whether the rule defines subsets and no settings."""
        # By identity: a subset whose trafficPolicy is written, though empty, has settings.
        return self.layer is None and all(subset.layer is _EMPTY for subset in self.subsets)

    @property
    def cluster_policies(self) -> tuple[ClusterPolicy, ...]:
        """The merged policy of every port and subset; port 0 is all other ports."""
        ports = {number for layer in self._layers for number, _ in layer.by_port} | {0}
        return tuple(self.cluster_policy(port, subset) for port in sorted(ports) for subset in ("", *self._names))

    def cluster_policy(self, port: int, subset: str = "") -> ClusterPolicy:
        """Return the policy for calls to a port of the host, or of one of its subsets.

        Istio: a port-level policy replaces the one for all ports, including the blocks that it leaves unset.
        """
        layer = self.layer or Layer()
        base = layer.for_port(port) or layer.all_ports
        selected = self.subset(subset) if subset else None
        return merge_layer(base, selected.layer, port) if selected else base

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(subset.name for subset in self.subsets)

    @property
    def _layers(self) -> tuple[Layer, ...]:
        return (self.layer or Layer(), *(subset.layer for subset in self.subsets))


class BackendTls(msgspec.Struct, frozen=True):
    """How routers originate TLS to a service (Gateway API: BackendTLSPolicy). `port` is a port's name, "" for all."""

    service: Ref
    port: str
    tls: Tls
    ref: Ref
    created: str = ""

    @property
    def age(self) -> tuple[str, str, str]:
        """Sort key of Gateway API's conflict rule: the oldest wins, then the first by name."""
        return self.created, self.ref.namespace, self.ref.name
