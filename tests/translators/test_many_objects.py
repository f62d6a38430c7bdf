"""The work for many objects grows as their number, also where they refer to one another. Counted, not timed."""

from collections.abc import Callable
from math import inf

import pytest

from mirrorplane.api.kinds.istio import virtual_service as istio
from mirrorplane.api.meta import Object, Ref
from mirrorplane.controlplane.engine.catalogue import catalogue
from mirrorplane.controlplane.plane import Plane
from tests.builders import objects
from tests.instruction_count import counted

_ALIAS = """
apiVersion: v1
kind: Service
metadata: {{name: a{i}}}
spec: {{type: ExternalName, externalName: a{next}.default.svc.cluster.local, ports: [{{port: 80}}]}}
"""
_SIDECAR = """
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {{name: s{i}}}
spec: {{{selector}egress: [{{hosts: ["./*"]}}]}}
"""
_DELEGATE = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: v{i}}}
spec: {{{hosts}http: [{{delegate: {{name: v{next}}}}}]}}
"""
_WILDCARD = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: v{i}, namespace: other}}
spec:
  hosts: ["{host}"]
  http:
  - route: [{{destination: {{host: web.default.svc.cluster.local}}}}]
    mirrors: [{{destination: {{host: copy.other.svc.cluster.local}}}}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: e{i}}}
spec: {{hosts: [a-b.p{i}.example.com], resolution: DNS, ports: [{{number: 80, name: http, protocol: HTTP}}]}}
"""


def _aliases(count: int, last: int) -> str:
    return "---".join(_ALIAS.format(i=i, next=i + 1 if i + 1 < count else last) for i in range(count))


def _sidecars(count: int, selector: str) -> str:
    return "---".join(_SIDECAR.format(i=i, selector=selector.format(i=i)) for i in range(count))


def _delegates(count: int, hosts: str) -> str:
    return "---".join(_DELEGATE.format(i=i, next=(i + 1) % count, hosts=hosts) for i in range(count))


def _wildcards(count: int, host: str) -> str:
    return "---".join(_WILDCARD.format(i=i, host=host.format(i=i)) for i in range(count))


_CASES: dict[str, Callable[[int], str]] = {
    "a chain of aliases": lambda count: _aliases(count, count),
    "a loop of aliases": lambda count: _aliases(count, 0),
    "Sidecars with selectors": lambda count: _sidecars(count, "workloadSelector: {{labels: {{app: w{i}}}}}, "),
    "Sidecars without selectors": lambda count: _sidecars(count, ""),
    "a cycle of delegates": lambda count: _delegates(count, ""),
    "VirtualServices of one host": lambda count: _delegates(count, "hosts: [web], "),
    "wildcards": lambda count: _wildcards(count, "*.p{i}.example.com"),
    "partial wildcards": lambda count: _wildcards(count, "*-b.p{i}.example.com"),
}


@pytest.mark.parametrize("case", _CASES)
async def test_the_work_for_many_objects_grows_as_their_number(case: str):
    few, many = [await _work(_CASES[case](count)) for count in (60, 120)]
    # 2.0 is proportional, 4.0 quadratic.
    assert many < 2.4 * few


async def _work(text: str) -> int:
    """Return the work of publishing objects, with all findings about them, less that of reading them from YAML."""
    plane = Plane(catalogue(), slice_s=inf)
    for obj in objects(text):
        plane.store.apply(obj.ref, obj)
    with counted() as count:
        await plane.publish()
    return count.instructions


_HOSTS: dict[str, Callable[[int], str]] = {
    "names": "h{}.example.com".format,
    "wildcards": "*.h{}.example.com".format,
    "partial wildcards": "*-h{}.example.com".format,
    "one name": lambda _: "same.example.com",
    "nested wildcards": lambda i: f"*{'a' * (i % 50)}.example.com",
}


@pytest.mark.parametrize("name", _HOSTS.values(), ids=_HOSTS.keys())
def test_the_work_to_validate_hosts_of_one_object_grows_as_their_number(name: Callable[[int], str]):
    few, many = [_validation([name(i) for i in range(count)]) for count in (200, 400)]
    # 2.0 is proportional, 4.0 quadratic.
    assert many < 2.3 * few


def _validation(hosts: list[str]) -> int:
    rule = istio.HTTPRoute(route=(istio.RouteDestination(istio.Destination("web")),))
    obj = Object(Ref(istio.VIRTUAL_SERVICE.key, "default", "web"), istio.VirtualService(tuple(hosts), http=(rule,)))
    validate = catalogue().by_kind[obj.ref.kind].validate
    with counted() as count:
        list(validate(obj))
    return count.instructions
