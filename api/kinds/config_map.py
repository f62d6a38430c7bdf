"""Kubernetes' ConfigMap, with its CA bundle only."""

from msgspec import field

from mirrorplane.api.meta import Kind, Wire


class Entries(Wire, frozen=True):
    """The entry that is decoded; others are ignored."""

    ca_crt: str = field(default="", name="ca.crt")


class ConfigMap(Wire, frozen=True):
    """v1 ConfigMap."""

    data: Entries = Entries()


CONFIG_MAP = Kind(group="", versions=("v1",), name="ConfigMap", spec=ConfigMap, whole_object=True)
