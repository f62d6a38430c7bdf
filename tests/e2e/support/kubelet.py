"""A stand-in for a cluster on this machine: `kubectl` stores manifests, controllers reconcile, a kubelet runs Pods.

The folder that the control plane watches gets what the API server would have: Pods with their status, an EndpointSlice
for each Service that selects Pods, and everything else as applied. Each Pod has its own address, so that its ports are
those of its manifest.
"""

import random
import zlib
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any

from mirrorplane.api.kinds.gateway_api.gateway import GATEWAY
from mirrorplane.api.meta import Kind, Ref
from mirrorplane.api.proxy import Proxy
from mirrorplane.controlplane.engine.catalogue import catalogue
from mirrorplane.controlplane.playground.stage import Stage
from tests import fast_yaml as yaml
from tests.controlplane.playground.envoys import delete_object
from tests.e2e.support.container_images import Container, container_for
from tests.e2e.support.edge_router import Router
from tests.e2e.support.manifests import join_manifests
from tests.e2e.support.sidecars import free_address

Manifest = dict[str, Any]
Key = tuple[str, str, str]
"""Kind, namespace and name of an object."""

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in catalogue().kinds if kind.group != "networking.istio.io"}
UNSPACED = frozenset(kind.name for kind in KINDS.values() if not kind.namespaced)
LETTERS = "bcdfghjklmnpqrstvwxz2456789"
ROUTER_LABEL = "gateway.networking.k8s.io/gateway-name"


class Cluster:
    """Use as an async context manager: its Pods stop on exit. Methods return when all proxies are up to date."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._objects: dict[Key, Manifest] = {}
        self._running: dict[Key, list[Container]] = {}
        self._written: dict[Key, str] = {}

    async def __aenter__(self) -> "Cluster":
        return self

    async def __aexit__(self, *_: object) -> None:
        for containers in self._running.values():
            for container in containers:
                await container.stop()

    async def apply(self, text: str, namespace: str = "default") -> None:
        """`kubectl apply -n namespace -f -`: objects without a namespace are stored in that one."""
        for obj in filter(None, yaml.safe_load_all(text)):
            if obj["kind"] not in UNSPACED:
                obj["metadata"].setdefault("namespace", namespace)
            self._objects[_key(obj)] = obj
        await self._reconcile()

    async def patch(self, kind: str, name: str, namespace: str, patch: Iterable[Mapping[str, Any]]) -> None:
        """`kubectl patch --type=json`; only the operation `add` is supported."""
        obj = self._objects[kind, namespace, name]
        for operation in patch:
            assert operation["op"] == "add", operation
            *above, last = operation["path"].strip("/").split("/")
            place = obj
            for field in above:
                place = place[field]
            place[last] = operation["value"]
        await self._reconcile()

    async def delete(self, kind: str, name: str, namespace: str) -> None:
        """`kubectl delete`."""
        del self._objects[kind, namespace, name]
        await self._reconcile()

    async def router(self, gateway: str, namespace: str) -> Router:
        """Start the router of a Gateway, on an address where the ports of its listeners are free."""
        spec = self._objects[GATEWAY.name, namespace, gateway]["spec"]
        ip = free_address(*(listener["port"] for listener in spec["listeners"]))
        proxy = Proxy("router", gateway, namespace, ip=ip, labels={ROUTER_LABEL: gateway})
        return Router(await self._stage.sidecar(proxy), ip)

    def pods(self, namespace: str, **labels: str) -> list[str]:
        """`kubectl get pods -l`: the names of running Pods."""
        return sorted(key[2] for key, _ in self._pods(namespace, labels) if key in self._running)

    def containers(self, namespace: str, **labels: str) -> list[Container]:
        """Return the containers of Pods with these labels; their logs are those of `kubectl logs -l`."""
        return [container for key, _ in self._pods(namespace, labels) for container in self._running.get(key, ())]

    def _pods(self, namespace: str, labels: Mapping[str, str]) -> list[tuple[Key, Manifest]]:
        pods = [(key, obj) for key, obj in self._objects.items() if key[:2] == ("Pod", namespace)]
        return [(key, obj) for key, obj in pods if labels.items() <= obj["metadata"].get("labels", {}).items()]

    async def _reconcile(self) -> None:
        self._replicate()
        for key, obj in self._objects.items():
            if key[0] == "Pod" and key not in self._running:
                await self._run(key, obj)
        self._slice()
        await self._write()
        for key in [key for key in self._running if key not in self._objects]:
            for container in self._running.pop(key):
                await container.stop()

    def _replicate(self) -> None:
        """Reconcile Deployments: as many Pods as `replicas`, from the current template."""
        pods: dict[Key, Manifest] = {}
        for (kind, namespace, _), obj in self._objects.items():
            for pod in _replicas(obj) if kind == "Deployment" else ():
                pods["Pod", namespace, pod["metadata"]["name"]] = pod
        for key in [key for key, obj in self._objects.items() if _is_replica(obj) and key not in pods]:
            del self._objects[key]
        self._objects = {**pods, **self._objects}

    async def _run(self, key: Key, pod: Manifest) -> None:
        """Act as a kubelet: start the containers, and set the Pod's status."""
        containers = [container for container in map(container_for, pod["spec"]["containers"]) if container is not None]
        ip = free_address(*(container.port for container in containers))
        for container in containers:
            await container.start(ip)
        self._running[key] = containers
        ready = [{"type": name, "status": "True"} for name in ("Initialized", "ContainersReady", "Ready")]
        pod["status"] = {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "conditions": ready}

    def _slice(self) -> None:
        """Act as the EndpointSlice controller: one slice for each Service that selects Pods."""
        objects = {key: obj for key, obj in self._objects.items() if key[0] != "EndpointSlice"}
        slices = [
            self._slice_of(obj) for key, obj in objects.items() if key[0] == "Service" and obj["spec"].get("selector")
        ]
        self._objects = {**objects, **{_key(endpoint_slice): endpoint_slice for endpoint_slice in slices}}

    def _slice_of(self, service: Manifest) -> Manifest:
        namespace, name = service["metadata"]["namespace"], service["metadata"]["name"]
        pods = self._pods(namespace, service["spec"]["selector"])
        ports = [
            {"name": port.get("name", ""), "protocol": "TCP", "port": port.get("targetPort", port["port"])}
            for port in service["spec"]["ports"]
        ]
        metadata = {
            "name": f"{name}-{_suffix(name, 5)}",
            "namespace": namespace,
            "labels": {"kubernetes.io/service-name": name},
        }
        return {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": metadata,
            "addressType": "IPv4",
            "endpoints": [_endpoint(pod) for _, pod in pods] or None,  # null if there are none, as in a real cluster
            "ports": ports if pods else None,
        }

    async def _write(self) -> None:
        """Write what is stored to the folder, kinds that the control plane does not read included."""
        texts = {key: yaml.safe_dump(obj, sort_keys=False) for key, obj in self._objects.items()}
        changed = {key: text for key, text in texts.items() if self._written.get(key) != text}
        deleted, self._written = self._written.keys() - texts.keys(), texts
        for key in changed.keys() - {key for key in changed if key[0] in KINDS}:
            self._stage.write(_file_of(key), changed[key])
        read = [text for key, text in changed.items() if key[0] in KINDS]
        if read:
            await self._stage.apply(join_manifests(*read))
        for key in deleted:
            if key[0] in KINDS:
                await delete_object(self._stage, Ref(KINDS[key[0]].key, *key[1:]))
            else:
                (self._stage.folder / _file_of(key)).unlink()


def _key(obj: Manifest) -> Key:
    metadata = obj["metadata"]
    return obj["kind"], metadata.get("namespace", ""), metadata["name"]


def _file_of(key: Key) -> str:
    return f"{' '.join(key)}.yaml"


def _replicas(deployment: Manifest) -> Iterator[Manifest]:
    """Yield the Pods of a Deployment. Names depend on the template, so unchanged Pods keep running."""
    spec, metadata = deployment["spec"], deployment["metadata"]
    template = _suffix(yaml.safe_dump(spec["template"]), 9)
    for number in range(spec["replicas"]):
        name = f"{metadata['name']}-{template}"
        yield {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": f"{name}-{_suffix(f'{name} {number}', 5)}",
                "namespace": metadata["namespace"],
                "labels": {**spec["template"]["metadata"]["labels"], "pod-template-hash": template},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name, "controller": True}],
            },
            "spec": deepcopy(spec["template"]["spec"]),
        }


def _is_replica(obj: Manifest) -> bool:
    return obj["kind"] == "Pod" and "ownerReferences" in obj["metadata"]


def _suffix(text: str, length: int) -> str:
    """Return a suffix in Kubernetes' alphabet, deterministic for a text."""
    return "".join(random.Random(zlib.crc32(text.encode())).choices(LETTERS, k=length))


def _endpoint(pod: Manifest) -> dict[str, Any]:
    metadata = pod["metadata"]
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": True, "serving": True, "terminating": False},
        "targetRef": {"kind": "Pod", "namespace": metadata["namespace"], "name": metadata["name"]},
    }
