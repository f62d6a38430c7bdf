"""The example in CONTRIBUTING.md is an input API that works."""

import sys
from math import inf
from types import ModuleType

import pytest

from mirrorplane.api.meta import Object, Ref
from mirrorplane.api.resource import ROUTE
from mirrorplane.controlplane.engine.catalogue import Catalogue, catalogue
from mirrorplane.controlplane.plane import Plane
from tests.builders import SLEEP, decoded, objects
from tests.docs.pages import ROOT, blocks

SERVICES = """\
{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{name: http, port: 8000}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: next}, spec: {ports: [{name: http, port: 8000}]}}
"""


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> tuple[ModuleType, ModuleType]:
    """The kind and the input, as the two files of the example would be imported."""
    modules = []
    texts = [block.text for block in blocks(ROOT / "CONTRIBUTING.md") if block.language == "python"]
    names = ("mirrorplane.api.kinds.example", "mirrorplane.translators.inputs.example_shadow")
    for name, text in zip(names, texts, strict=True):
        modules.append(ModuleType(name))
        monkeypatch.setitem(sys.modules, name, modules[-1])
        exec(compile(text, name, "exec"), modules[-1].__dict__)
    return modules[0], modules[1]


async def test_the_example_of_a_new_input_mirrors(example: tuple[ModuleType, ModuleType]):
    kinds, inputs = example
    plane = Plane(Catalogue((*catalogue().inputs, inputs.INPUT), catalogue().outputs), slice_s=inf)
    shadow = Object(Ref(kinds.SHADOW.key, "default", "web"), kinds.Shadow("web", "next"))
    for obj in (*objects(SERVICES), shadow):
        plane.store.apply(obj.ref, obj)
    await plane.publish()
    routes = decoded(plane.render(SLEEP), ROUTE)
    assert "mirror|8000||next.default.svc.cluster.local" in str(routes["8000"])
    # Neither Service has Pods, which says that the checks know the new object's mirror.
    assert [(f.reason, f.path) for f in plane.findings.all()] == [("MirrorHasNoEndpoints", "spec.target.host")]
