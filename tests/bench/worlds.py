"""Worlds of a given size for benchmarks: services with Pods, and for each a VirtualService that mirrors to a subset."""

from collections.abc import Callable

import msgspec

from mirrorplane.api.kinds import kube
from mirrorplane.api.kinds.istio import destination_rule as dr
from mirrorplane.api.kinds.istio import virtual_service as vs
from mirrorplane.api.meta import AnyObject, Kind, Object, Ref, Wire

PORT = 8000


def mirrored_services(count: int) -> list[AnyObject]:
    """Return `count` services, each with two Pods, two subsets, and a mirror of everything from v1 to v2."""
    return [obj for i in range(count) for obj in mirrored_service(i)]


def mirrored_service(number: int) -> list[AnyObject]:
    name = f"svc-{number}"
    subsets = tuple(dr.Subset(v, {"version": v}) for v in ("v1", "v2"))
    return [
        _service(name),
        *(_pod(number, version) for version in (1, 2)),
        _object(dr.DESTINATION_RULE, name, dr.DestinationRule(name, subsets)),
        virtual_service(number, 100.0),
    ]


def plain_services(count: int) -> list[AnyObject]:
    """Return `count` services, each with one Pod: one cluster and its endpoints for each."""
    return [obj for i in range(count) for obj in (_service(f"svc-{i}"), moved_pod(i, 0))]


def moved_pod(number: int, moves: int) -> AnyObject:
    """Return the Pod of a plain service after it moved to another address so many times."""
    address = f"10.{moves & 127 | 128}.{number >> 8 & 255}.{number & 255}"
    status = kube.PodStatus(pod_ip=address)
    return _object(kube.POD, f"svc-{number}-v1", kube.Pod(status=status), {"app": f"svc-{number}"})


def annotated(obj: AnyObject, note: str) -> AnyObject:
    """Return an object that differs in an annotation that no translator reads."""
    return msgspec.structs.replace(obj, annotations={"bench/note": note})


def bare_services(count: int) -> list[AnyObject]:
    """Return `count` services, each with two Pods, and no rules."""
    return [obj for i in range(count) for obj in (_service(f"svc-{i}"), _pod(i, 1), _pod(i, 2))]


WORLDS = {"mirrored": mirrored_services, "plain": bare_services}


def changes(kind: str, count: int) -> dict[str, Callable[[int], AnyObject]]:
    """Return what may change in a world of so many services: for each a maker of the n-th change, all different."""
    makers: dict[str, Callable[[int], AnyObject]] = {
        "pod": lambda n: _pod(n * 7 % count, 1, f"10.99.{n}.1"),
        "service": lambda n: _service(f"svc-{n * 7 % count}", target=9000 + n),
        "new_service": lambda n: _service(f"new-{n * 7 % count}"),
    }
    mirror: dict[str, Callable[[int], AnyObject]] = {"rule": lambda n: virtual_service(n * 7 % count, 1.0 + n)}
    return {**(mirror if kind == "mirrored" else {}), **makers}


def private(obj: AnyObject, namespace: str) -> AnyObject:
    """Return an object moved to another namespace, and exported to that namespace only."""
    ref = Ref(obj.ref.kind, namespace, obj.ref.name)
    spec = msgspec.structs.replace(obj.spec, export_to=(".",)) if hasattr(obj.spec, "export_to") else obj.spec
    return msgspec.structs.replace(obj, ref=ref, spec=spec, annotations={"networking.istio.io/exportTo": "."})


def virtual_service(number: int, percent: float) -> AnyObject:
    name = f"svc-{number}"
    rule = vs.HTTPRoute(
        route=(vs.RouteDestination(vs.Destination(name, "v1")),),
        mirror=vs.Destination(name, "v2"),
        mirror_percentage=vs.Percent(percent),
    )
    return _object(vs.VIRTUAL_SERVICE, name, vs.VirtualService((name,), http=(rule,)))


def _service(name: str, target: int = 0) -> AnyObject:
    port = kube.ServicePort(PORT, "http", target_port=target)
    return _object(kube.SERVICE, name, kube.ServiceSpec((port,), {"app": name}))


def _pod(number: int, version: int, address: str = "") -> AnyObject:
    status = kube.PodStatus(pod_ip=address or f"10.{number >> 8 & 255}.{number & 255}.{version}")
    labels = {"app": f"svc-{number}", "version": f"v{version}"}
    return _object(kube.POD, f"svc-{number}-v{version}", kube.Pod(status=status), labels)


def _object(kind: Kind, name: str, spec: Wire, labels: dict[str, str] | None = None) -> AnyObject:
    return Object(Ref(kind.key, "default", name), spec, labels or {})
