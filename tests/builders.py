"""Short ways to make the objects that tests are about."""

from collections.abc import Callable, Iterable, Mapping
from math import inf
from typing import Any

import msgspec

from mirrorplane.api.mesh import Lowered
from mirrorplane.api.meta import AnyObject, Object, Ref
from mirrorplane.api.proxy import Proxy
from mirrorplane.api.resource import ResourceSet
from mirrorplane.api.snapshot import Snapshot
from mirrorplane.controlplane.engine.catalogue import catalogue
from mirrorplane.controlplane.plane import Plane
from mirrorplane.translators.contract import Input
from mirrorplane.translators.envoy import to_dict
from tests import fast_yaml as yaml

SLEEP = Proxy(role="sidecar", name="sleep", namespace="default", labels={"app": "sleep"})


def objects(text: str) -> list[AnyObject]:
    """Read manifests without a source: documents of kinds nobody reads are left out."""
    kinds = {(k.group, k.name): k for k in catalogue().kinds}
    found = []
    for doc in yaml.safe_load_all(text):
        kind = kinds.get((doc["apiVersion"].rpartition("/")[0], doc["kind"])) if doc else None
        if kind is not None:
            meta = doc["metadata"]
            ref = Ref(kind.key, meta.get("namespace", "default") if kind.namespaced else "", meta["name"])
            spec = msgspec.convert(
                doc if kind.whole_object else doc.get("spec") or {}, kind.spec_of(doc["apiVersion"].rpartition("/")[2])
            )
            created = str(meta.get("creationTimestamp", ""))
            found.append(Object(ref, spec, meta.get("labels", {}), meta.get("annotations", {}), created))
    return found


async def plane_of(text: str) -> Plane:
    """A control plane that has published these manifests, and does all work in one go."""
    plane = Plane(catalogue(), slice_s=inf)
    for obj in objects(text):
        plane.store.apply(obj.ref, obj)
    await plane.publish()
    return plane


async def rendered(text: str, proxy: Proxy = SLEEP) -> ResourceSet:
    """What a proxy is sent for these manifests."""
    return (await plane_of(text)).render(proxy)


def decoded(served: ResourceSet, type_url: str) -> dict[str, dict[str, Any]]:
    """Resources of one type as plain values, by name."""
    return {name: to_dict(resource) for name, resource in served.of_type(type_url).items()}


class PlainView:
    """A View that remembers nothing and computes every answer from scratch: the oracle of the engine's tests."""

    def __init__(self, snapshot: Snapshot, inputs: Iterable[Input]) -> None:
        self._snapshot = snapshot
        self._lower: Mapping[str, Callable[..., Lowered]] = {k.key: i.lower for i in inputs for k in i.kinds}

    def get(self, ref: Ref) -> AnyObject | None:
        return self._snapshot.objects.get(ref)

    def by(self, index: str, key: str) -> tuple[AnyObject, ...]:
        return self._snapshot.index.get((index, key), ())

    def lowered(self, ref: Ref) -> Lowered:
        obj = self.get(ref)
        return Lowered() if obj is None else self._lower[ref.kind](self, obj)

    def memo(self, fn: Callable[..., Any], *args: Any) -> Any:
        return fn(self, *args)
