"""Istio's `region/zone/subzone`."""

from mirrorplane.api.proxy import Locality


def locality_of(text: str) -> Locality:
    """Read a locality; parts that are missing are empty."""
    region, zone, subzone, *_ = (*text.split("/"), "", "")
    return Locality(region, zone, subzone)
