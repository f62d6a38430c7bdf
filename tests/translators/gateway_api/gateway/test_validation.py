"""What the API server refuses of Gateway API's objects by their schemas is refused here too, and the field is told."""

from typing import Any

import pytest

from mirrorplane.controlplane.engine.catalogue import catalogue
from mirrorplane.controlplane.manifests.decode import Decoded, decode, registry_of
from tests.builders import plane_of
from tests.gateway_manifests import GROUP, doc, gateway

LISTENER = {"name": "a", "port": 80, "protocol": "HTTP"}
GATEWAY = {"gatewayClassName": "ours", "listeners": [LISTENER]}
BACKENDS = {"backendRefs": [{"name": "web", "port": 80}]}
ASKS = {"group": GROUP, "kind": "HTTPRoute", "namespace": "a"}
SERVICES = {"group": "", "kind": "Service"}


def listening(**more: Any) -> dict[str, Any]:
    return {**GATEWAY, "listeners": [{**LISTENER, **more}]}


def removing(*names: str) -> dict[str, Any]:
    changes = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": list(names)}}
    return {"rules": [{"filters": [changes], **BACKENDS}]}


REFUSED = [
    ("HTTPRoute", {"parentRefs": [{"name": "edge", "namespace": "a\n"}]}, "parentRefs[0].namespace"),
    ("HTTPRoute", {"parentRefs": [{"name": "edge", "sectionName": "a\n"}]}, "parentRefs[0].sectionName"),
    ("HTTPRoute", {"parentRefs": [{"name": "edge", "kind": "Gateway\n"}]}, "parentRefs[0].kind"),
    ("HTTPRoute", removing("a", "a"), "rules[0].filters[0].requestHeaderModifier.remove[1]"),
    ("TCPRoute", {"rules": [{"name": "A B", **BACKENDS}]}, "rules[0].name"),
    ("Gateway", listening(protocol="a b"), "listeners[0].protocol"),
    ("Gateway", listening(allowedRoutes={"kinds": [{"kind": "a b"}]}), "listeners[0].allowedRoutes.kinds[0].kind"),
    ("Gateway", listening(tls={"options": {"a b": "c"}}), "listeners[0].tls.options"),
    ("Gateway", {**GATEWAY, "addresses": [{"type": "Magic"}]}, "addresses[0].type"),
    ("Gateway", {**GATEWAY, "addresses": [{"type": "Hostname", "value": "A B"}]}, "addresses[0].value"),
    ("Gateway", {**GATEWAY, "infrastructure": {"labels": {"a": "b c"}}}, "infrastructure.labels"),
    (
        "Gateway",
        {**GATEWAY, "infrastructure": {"parametersRef": {"group": "", "kind": "A", "name": ""}}},
        "infrastructure.parametersRef.name",
    ),
    ("GatewayClass", {"controllerName": "nobody"}, "controllerName"),
    ("ListenerSet", {**GATEWAY, "parentRef": {"name": "edge", "namespace": "a/b"}}, "parentRef.namespace"),
    ("ReferenceGrant", {"from": [{**ASKS, "namespace": ""}], "to": [SERVICES]}, "from[0].namespace"),
    ("ReferenceGrant", {"from": [ASKS], "to": [{**SERVICES, "kind": "a b"}]}, "to[0].kind"),
]


def read(kind: str, spec: dict[str, Any]) -> Decoded:
    contracts = catalogue()
    checks = {supported.key: reader.validate for reader in contracts.inputs for supported in reader.kinds}
    manifest = {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": {"name": "x"}, "spec": spec}
    return decode(manifest, registry_of(contracts.kinds), accept=lambda obj: checks[obj.ref.kind](obj))


@pytest.mark.parametrize(("kind", "spec", "path"), REFUSED, ids=[f"{kind} {path}" for kind, _, path in REFUSED])
def test_what_the_api_server_refuses_is_refused(kind: str, spec: dict[str, Any], path: str):
    document = read(kind, spec)
    assert document.object is None
    assert document.findings[0].path.startswith(f"spec.{path}")


@pytest.mark.parametrize("protocol", ["HTTP", "x.y/Z", "Q-1"])
def test_protocols_of_others_are_not_refused(protocol: str):
    assert read("Gateway", listening(protocol=protocol)).object is not None


async def test_a_listener_set_that_joins_itself_is_reported():
    more = {"parentRef": {"kind": "ListenerSet", "name": "x"}, "listeners": [LISTENER]}
    plane = await plane_of("---\n".join([gateway({}), doc("ListenerSet", "x", more)]))
    assert [(finding.reason, finding.path) for finding in plane.findings.all()] == [
        ("ParentNotServed", "spec.parentRef.kind")
    ]
