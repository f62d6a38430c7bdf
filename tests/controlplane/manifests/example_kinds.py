"""Kinds made for tests of the decoder, and short words for manifests of them."""

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds.kube import ENDPOINT_SLICE, NAMESPACE, POD, SERVICE
from mirrorplane.api.meta import Kind, Ref, Wire
from mirrorplane.controlplane.manifests.decode import Decoded, registry_of


class Target(Wire, frozen=True):
    host: str
    port: int | str = 0
    weight: Annotated[int, Meta(ge=0, le=100)] = 100
    share: float = 0.0
    mode: Literal["COPY", "MOVE"] = "COPY"
    on: bool = field(default=True, name="enabled")


class Rule(Wire, frozen=True):
    targets: tuple[Target, ...] = ()
    by_name: dict[str, Target] = {}
    labels: dict[str, str] = {}
    also: "Rule | None" = None
    mirror: Target | None = None
    timeout: str = ""


class Mesh(Wire, frozen=True):
    rules: tuple[Rule, ...] = ()
    note: str = ""


class Whole(Wire, frozen=True):
    note: str = ""


MESH = Kind(group="example.io", versions=("v1", "v1beta1"), name="Mesh", spec=Mesh)
WHOLE = Kind(group="example.io", versions=("v1",), name="Whole", spec=Whole, whole_object=True, namespaced=False)
REGISTRY = registry_of([MESH, WHOLE, SERVICE, POD, NAMESPACE, ENDPOINT_SLICE])
REF = Ref("example.io/Mesh", "default", "a")


def manifest(spec: Any = None, **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "example.io/v1", "kind": "Mesh", "metadata": {"name": "a", **metadata}, "spec": spec}


def only(decoded: Decoded) -> Finding:
    assert len(decoded.findings) == 1
    return decoded.findings[0]


TARGET = {"host": "h"}
