"""A policy of another control plane that is not enforced here, and the traffic that its author expects it to cover."""

from collections.abc import Mapping

import msgspec

from mirrorplane.api.meta import Labels, Ref


class TargetSelector(msgspec.Struct, frozen=True):
    """All objects of a kind (`group/Kind`) in a namespace that have some labels."""

    kind: str
    namespace: str
    labels: Labels


class UnenforcedPolicy(msgspec.Struct, frozen=True):
    """What a policy selects: `targets` and `selectors` where it has any, else workloads.

    Workloads are selected by `labels` in `namespace`; "" is every namespace, and no labels select all.
    """

    ref: Ref
    namespace: str
    labels: Labels = ()
    targets: tuple[Ref, ...] = ()
    selectors: tuple[TargetSelector, ...] = ()


class TrafficParty(msgspec.Struct, frozen=True):
    """A party to a request that policies select: a proxy or a workload, and the objects that it is served by.

    `objects` have their labels.
    """

    namespace: str
    labels: Labels = ()
    objects: Mapping[Ref, Labels] = {}
    is_workload: bool = True
