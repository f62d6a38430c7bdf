"""What the mesh says of how hosts are called, put under what their policies say."""

import msgspec

from mirrorplane.api.cluster_policy import ClusterPolicy, Layer, LoadBalancer, LocalityLb
from mirrorplane.api.meta import Ref
from mirrorplane.api.traffic_policy import TrafficPolicy


def with_nearness(said: TrafficPolicy | None, near: LocalityLb, host: str, by: Ref) -> TrafficPolicy:
    """Return a policy in which the mesh speaks of localities wherever it does not itself (Istio).

    Where nobody says anything of a host, the policy is the mesh's, and `by` says who speaks for it.
    """
    base = said or TrafficPolicy(host, by.namespace, by)
    subsets = tuple(msgspec.structs.replace(s, layer=_subsets(s.layer, near)) for s in base.subsets)
    return msgspec.structs.replace(base, subsets=subsets, layer=_whole(base.layer or Layer(), near))


def _whole(said: Layer, near: LocalityLb) -> Layer:
    return Layer(
        _near(said.all_ports, near), tuple((port, _near(cluster_policy, near)) for port, cluster_policy in said.by_port)
    )


def _subsets(said: Layer, near: LocalityLb) -> Layer:
    """Leave a subset that says nothing of balancing what its host has; what it says of a port stands alone."""
    whole = said.all_ports if said.all_ports.load_balancer is None else _near(said.all_ports, near)
    return Layer(whole, tuple((port, _near(cluster_policy, near)) for port, cluster_policy in said.by_port))


def _near(said: ClusterPolicy, near: LocalityLb) -> ClusterPolicy:
    balancing = said.load_balancer or LoadBalancer()
    if balancing.locality_lb is not None:
        return said
    return msgspec.structs.replace(said, load_balancer=msgspec.structs.replace(balancing, locality_lb=near))
