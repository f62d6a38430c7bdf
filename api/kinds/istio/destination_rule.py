"""DestinationRule: how a host is called."""

from api.kinds.istio import GROUP, VERSIONS
from api.meta import Kind, Wire


class Subset(Wire, frozen=True):
    """A named part of a host's workloads, chosen by labels."""

    name: str
    labels: dict[str, str] = {}


class DestinationRule(Wire, frozen=True):
    """How a host is called."""

    host: str
    subsets: tuple[Subset, ...] = ()
    export_to: tuple[str, ...] = ()


DESTINATION_RULE = Kind(GROUP, VERSIONS, "DestinationRule", DestinationRule)
