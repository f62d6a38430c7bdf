"""Worlds of a given size for benchmarks: services with Pods, and for each a VirtualService that mirrors to a subset."""

from api.kinds import istio_networking as istio
from api.kinds import kube
from api.meta import AnyObject, Kind, Object, Ref, Wire

PORT = 8000


def mirrored_services(count: int) -> list[AnyObject]:
    """Return `count` services, each with two Pods, two subsets, and a mirror of everything from v1 to v2."""
    return [obj for i in range(count) for obj in mirrored_service(i)]


def mirrored_service(number: int) -> list[AnyObject]:
    name = f"svc-{number}"
    subsets = tuple(istio.Subset(v, {"version": v}) for v in ("v1", "v2"))
    return [
        _object(kube.SERVICE, name, kube.ServiceSpec((kube.ServicePort(PORT, "http"),), {"app": name})),
        *(_pod(number, version) for version in (1, 2)),
        _object(istio.DESTINATION_RULE, name, istio.DestinationRule(name, subsets)),
        virtual_service(number, 100.0),
    ]


def virtual_service(number: int, percent: float) -> AnyObject:
    name = f"svc-{number}"
    rule = istio.HTTPRoute(
        route=(istio.RouteDestination(istio.Destination(name, "v1")),),
        mirror=istio.Destination(name, "v2"),
        mirror_percentage=istio.Percent(percent),
    )
    return _object(istio.VIRTUAL_SERVICE, name, istio.VirtualService((name,), http=(rule,)))


def _pod(number: int, version: int) -> AnyObject:
    status = kube.PodStatus(pod_ip=f"10.{number >> 8 & 255}.{number & 255}.{version}")
    labels = {"app": f"svc-{number}", "version": f"v{version}"}
    return _object(kube.POD, f"svc-{number}-v{version}", kube.Pod(status=status), labels)


def _object(kind: Kind, name: str, spec: Wire, labels: dict[str, str] | None = None) -> AnyObject:
    return Object(Ref(kind.key, "default", name), spec, labels or {})
