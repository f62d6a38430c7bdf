"""How hosts are called: subsets, and what holds for calls to them."""

import msgspec

from api.meta import Labels, Ref


class Subset(msgspec.Struct, frozen=True):
    """The endpoints of a service that carry these labels."""

    name: str
    labels: Labels = ()


class TrafficPolicy(msgspec.Struct, frozen=True):
    """How to call a host: its subsets (Istio: DestinationRule)."""

    host: str
    namespace: str
    ref: Ref
    subsets: tuple[Subset, ...] = ()
    export_to: tuple[str, ...] = ("*",)
    created: str = ""
