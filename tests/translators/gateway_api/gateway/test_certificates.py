"""Certificates at Gateways, rule by rule: which may be named, who is sent them, and what is said of the others."""

from base64 import b64encode
from typing import Any

import msgspec
import pytest
import trustme

from mirrorplane.api.finding import Finding
from mirrorplane.api.meta import Ref
from mirrorplane.api.proxy import Proxy
from mirrorplane.api.resource import LISTENER, SECRET
from mirrorplane.controlplane.plane import Plane
from mirrorplane.translators.inputs.gateway_api_gateway import validate
from mirrorplane.translators.outputs import secrets
from mirrorplane.translators.scopes import criteria, scope_of
from mirrorplane.translators.secrets import referenced_secrets
from tests import fast_yaml as yaml
from tests.builders import decoded, plane_of
from tests.gateway_conditions import brief, statuses
from tests.gateway_manifests import EDGE, GROUP, doc

PROVED = msgspec.structs.replace(EDGE, identity="spiffe://cluster.local/ns/default/sa/edge-ours")
ISSUER = trustme.CA()
TYPE = "kubernetes.io/tls"
REF = "spec.listeners[0].tls.certificateRefs[0]"


def secret(name: str, *hosts: str, namespace: str = "default", kind: str = "kubernetes.io/tls") -> str:
    issued = ISSUER.issue_cert(*(hosts or ("web.example.com",)))
    pair = {"tls.crt": issued.cert_chain_pems[0].bytes(), "tls.key": issued.private_key_pem.bytes()}
    data = {key: b64encode(value).decode() for key, value in pair.items()}
    text: str = yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": namespace},
            "type": kind,
            "data": data,
        }
    )
    return text


def listener(name: str = "https", port: int = 443, host: str = "", cert: str = "web", **ref: Any) -> dict[str, Any]:
    spec = {"name": name, "port": port, "protocol": "HTTPS", "tls": {"certificateRefs": [{"name": cert, **ref}]}}
    return {**spec, **({"hostname": host} if host else {})}


def gateway(*listeners: dict[str, Any], **more: Any) -> str:
    spec = {"gatewayClassName": "ours", "listeners": list(listeners or (listener(),)), **more}
    ours = doc("GatewayClass", "ours", {"controllerName": "mirrorplane.io/gateway-controller"})
    return joined(ours, doc("Gateway", "edge", spec))


def grant(kind: str = "Gateway", namespace: str = "default", **target: str) -> str:
    source = {"group": GROUP, "kind": kind, "namespace": namespace}
    spec = {"from": [source], "to": [{"group": "", "kind": "Secret", **target}]}
    return doc("ReferenceGrant", f"for-{kind.lower()}", spec, namespace="shop")


def joined(*texts: str) -> str:
    return "---\n".join(texts)


def held(plane: Plane, proxy: Proxy = PROVED) -> list[str]:
    return list(plane.render(proxy).of_type(SECRET))


def told(plane: Plane) -> list[tuple[str, str]]:
    return [(finding.reason, finding.path) for finding in plane.findings.all()]


BOTH = 0, 1
FAR = listener(namespace="shop")
SHOPS = ["certificate://shop/web"]


@pytest.mark.parametrize(
    ("granted", "sent"),
    [
        ((), []),
        ((grant(),), SHOPS),
        ((grant(name="web"),), SHOPS),
        ((grant(name="other"),), []),
        ((grant("ListenerSet"),), []),
        ((grant("HTTPRoute"),), []),
        ((grant(namespace="other"),), []),
    ],
)
async def test_a_certificate_of_another_namespace_is_sent_if_a_grant_says_so(granted: tuple[str, ...], sent: list[str]):
    plane = await plane_of(joined(gateway(FAR), secret("web", namespace="shop"), *granted))
    assert held(plane) == sent
    assert bool(plane.render(PROVED).of_type(LISTENER)) == bool(sent)
    assert told(plane) == ([] if sent else [("RefNotPermitted", f"{REF}.namespace")])
    assert not held(plane, EDGE), "who has proved nothing is sent nothing"


async def test_without_a_grant_nothing_tells_whether_the_secret_is_there():
    findings = [
        (await plane_of(joined(gateway(FAR), *more))).findings.all()
        for more in ((), (secret("web", namespace="shop"),))
    ]
    assert findings[0] == findings[1] != ()


async def test_grants_are_looked_at_where_a_secret_is_made():
    both = joined(secret("web", namespace="shop"), secret("other", namespace="shop"), secret("web"))
    plane = await plane_of(joined(gateway(FAR), both, grant()))
    view = plane.engine.view
    scope = scope_of(PROVED, view.memo(criteria))
    made_of = {name: secrets.OUTPUT.build(view, scope, name) for name in (*SHOPS, "certificate://shop/other")}
    assert made_of[SHOPS[0]] is not None
    assert made_of["certificate://shop/other"] is None, "granted, and named by nobody"
    assert secrets.OUTPUT.build(view, scope, "certificate://default/web") is None, "its own, and named by nobody"
    asker = Ref(f"{GROUP}/Gateway", "default", "edge")
    assert referenced_secrets.find_certificate(view, asker, SHOPS[0]) is not None
    plane.store.apply(Ref(f"{GROUP}/ReferenceGrant", "shop", "for-gateway"), None)
    await plane.publish()
    view = plane.engine.view
    assert referenced_secrets.find_certificate(view, asker, SHOPS[0]) is None
    assert secrets.OUTPUT.build(view, scope, SHOPS[0]) is None


async def test_a_listener_set_asks_for_itself():
    parent = {"name": "edge", "namespace": "default"}
    spec = {"parentRef": parent, "listeners": [listener("near"), listener("far", 444, namespace="default")]}
    opened = gateway(listener("own", 8443), allowedListeners={"namespaces": {"from": "All"}})
    more = [doc("ListenerSet", "set", spec, namespace="shop"), secret("web", namespace="shop"), secret("web")]
    plane = await plane_of(joined(opened, *more))
    assert held(plane) == ["certificate://default/web", "certificate://shop/web"]
    assert told(plane) == [("RefNotPermitted", "spec.listeners[1].tls.certificateRefs[0].namespace")]
    assert set(decoded(plane.render(PROVED), LISTENER)) == {"127.0.0.1_8443", "127.0.0.1_443"}


@pytest.mark.parametrize(
    ("ref", "secrets", "path"),
    [
        ({}, (), f"{REF}.name"),
        ({}, (secret("web", kind="Opaque"),), f"{REF}.name"),
        ({"kind": "ConfigMap"}, (secret("web"),), f"{REF}.kind"),
        ({"group": "example.com"}, (secret("web"),), f"{REF}.kind"),
    ],
)
async def test_a_listener_without_its_certificate_is_not_opened(
    ref: dict[str, str], secrets: tuple[str, ...], path: str
):
    plane = await plane_of(
        joined(gateway(listener(**ref), listener("second", 444, cert="fine")), secret("fine"), *secrets)
    )
    assert told(plane) == [("InvalidCertificateRef", path)]
    assert list(decoded(plane.render(PROVED), LISTENER)) == ["127.0.0.1_444"]


@pytest.mark.parametrize(
    ("listeners", "reason"),
    [
        ([listener("a", host="a.example.com"), listener("b", host="b.example.com", cert="other")], ""),
        ([listener("a"), listener("b", 444)], ""),
        (
            [listener("a", host="*.example.com"), listener("b", host="b.a.example.com", cert="other")],
            "OverlappingHostnames",
        ),
        (
            [listener("a"), listener("b", host="b.example.com")],
            "OverlappingHostnames",
        ),
        (
            [listener("a", host="a.example.com"), listener("b", host="b.example.com", cert="wild")],
            "OverlappingCertificates",
        ),
        (
            [
                listener("a", host="a.example.com"),
                listener("b", host="b.org"),
                listener("c", host="c.net", cert="other"),
            ],
            "OverlappingCertificates",
        ),
    ],
)
async def test_listeners_that_clients_may_take_for_one_another(listeners: list[Any], reason: str):
    secrets = secret("web", "a.example.com"), secret("other", "b.a.example.com"), secret("wild", "*.example.com")
    plane = await plane_of(joined(gateway(*listeners), *secrets))
    assert told(plane) == [(reason, f"spec.listeners[{i}].tls") for i in BOTH if reason]
    assert plane.render(PROVED).of_type(LISTENER), "it is a warning"


def frontend(**spec: Any) -> dict[str, Any]:
    trusted = [{"group": "", "kind": "ConfigMap", "name": "clients"}]
    return {"frontend": {"default": {"validation": {"caCertificateRefs": trusted, **spec}}}}


@pytest.mark.parametrize(
    ("refs", "reasons", "opened"),
    [
        ([("", "ConfigMap", "clients", "")], [], True),
        ([("", "Secret", "trusted", "")], [], True),
        ([("", "ConfigMap", "none", "")], ["InvalidCACertificateRef", "NoValidCACertificate"], False),
        ([("", "Pod", "clients", "")], ["InvalidCACertificateKind", "NoValidCACertificate"], False),
        ([("", "ConfigMap", "clients", "shop")], ["NoValidCACertificate", "RefNotPermitted"], False),
        ([("", "ConfigMap", "none", ""), ("", "ConfigMap", "clients", "")], ["InvalidCACertificateRef"], True),
    ],
)
async def test_who_verifies_clients_must_be_there(refs: list[tuple[str, ...]], reasons: list[str], opened: bool):
    ca_refs = [dict(zip(("group", "kind", "name", "namespace"), ref, strict=True)) for ref in refs]
    clients = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: clients}\ndata: {ca.crt: CLIENTS}\n"
    trusted = "apiVersion: v1\nkind: Secret\nmetadata: {name: trusted}\nstringData: {ca.crt: CLIENTS}\n"
    listeners = listener(), {"name": "plain", "port": 80, "protocol": "HTTP"}
    text = gateway(*listeners, tls=frontend(caCertificateRefs=ca_refs))
    plane = await plane_of(joined(text, secret("web"), clients, trusted))
    assert sorted(reason for reason, _ in told(plane)) == reasons
    assert {path for _, path in told(plane)} <= {"spec.listeners[0].port"}
    served = decoded(plane.render(PROVED), LISTENER)
    assert ("127.0.0.1_443" in served, "127.0.0.1_80" in served) == (opened, True)
    if opened:
        tls = served["127.0.0.1_443"]["filter_chains"][0]["transport_socket"]["typed_config"]
        assert tls["require_client_certificate"] is True
        assert b"CLIENTS" in next(
            r.body for name, r in plane.render(PROVED).of_type(SECRET).items() if "authorities" in name
        )


async def test_a_port_of_its_own_replaces_the_default():
    spec = frontend()
    spec["frontend"]["perPort"] = [{"port": 443, "tls": {}}]
    plane = await plane_of(joined(gateway(listener(), tls=spec), secret("web")))
    assert told(plane) == []
    tls = decoded(plane.render(PROVED), LISTENER)["127.0.0.1_443"]["filter_chains"][0]["transport_socket"]
    assert "combined_validation_context" not in tls["typed_config"]["common_tls_context"]


async def test_a_port_is_configured_once():
    spec = frontend()
    spec["frontend"]["perPort"] = [{"port": 443, "tls": {}}, {"port": 443, "tls": {}}]
    plane = await plane_of(gateway(listener(), tls=spec))
    obj = plane.engine.view.get(Ref(f"{GROUP}/Gateway", "default", "edge"))
    assert obj is not None
    message = "Port for TLS configuration must be unique within the Gateway"
    assert list(validate(obj)) == [Finding(obj.ref, "InvalidTls", message, "spec.tls.frontend.perPort[1].port")]


@pytest.mark.parametrize("name", ["shop/web", "../web", "certificate://shop/web", "kubernetes://web"])
async def test_what_is_no_name_of_a_secret_takes_nothing_else_down(name: str):
    mirror = secret("own", "a.example.com")
    theirs = secret("web", namespace="shop")
    bad, valid_listener = listener(host="b.example.com", cert=name), listener("good", host="a.example.com", cert="own")
    plane = await plane_of(joined(gateway(bad, valid_listener), mirror, theirs))
    assert told(plane)[0] == ("InvalidCertificateRef", f"{REF}.name")
    assert held(plane) == ["certificate://default/own"]
    assert not plane.engine.failures


async def test_a_certificate_for_backends_that_is_not_there_is_told_and_nothing_else_is_touched():
    spec = {"backend": {"clientCertificateRef": {"name": "own"}}}
    plane = await plane_of(joined(gateway(listener(), tls=spec), secret("web")))
    assert told(plane) == [("InvalidClientCertificateRef", "spec.tls.backend.clientCertificateRef.name")]
    assert held(plane) == ["certificate://default/web"]
    plane = await plane_of(joined(gateway(listener(), tls=spec), secret("web"), secret("own")))
    assert (told(plane), held(plane)) == ([], ["certificate://default/own", "certificate://default/web"])


@pytest.mark.parametrize(
    ("ref", "kind"),
    [({}, "Opaque"), ({"kind": "ConfigMap"}, "kubernetes.io/tls"), ({"group": "a.b"}, "kubernetes.io/tls")],
)
async def test_what_is_no_certificate_for_backends_is_not_shown_to_them(ref: dict[str, str], kind: str):
    spec = {"backend": {"clientCertificateRef": {"name": "own", **ref}}}
    plane = await plane_of(joined(gateway(listener(), tls=spec), secret("web"), secret("own", kind=kind)))
    assert [reason for reason, _ in told(plane)] == ["InvalidClientCertificateRef"]
    assert held(plane) == ["certificate://default/web"]


async def test_findings_about_certificates_are_in_the_status():
    spec = frontend(mode="AllowInsecureFallback") | {"backend": {"clientCertificateRef": {"name": "own"}}}
    clients = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: clients}\ndata: {ca.crt: CLIENTS}\n"
    three = listener(host="a.example.com"), listener("b", host="b.example.com"), listener("c", 444, namespace="shop")
    status = (await statuses(gateway(*three, tls=spec), secret("web"), clients))["Gateway edge"]
    assert brief(status) == {
        "Accepted": "ListenersNotValid",
        "Programmed": "?Pending",
        "ResolvedRefs": "!InvalidClientCertificateRef",
        "InsecureFrontendValidationMode": "ConfigurationChanged",
    }
    pending = {"Accepted": "Accepted", "ResolvedRefs": "ResolvedRefs", "Programmed": "?Pending"}
    overlapping = pending | {"OverlappingTLSConfig": "OverlappingCertificates"}
    far = {"Accepted": "Accepted", "ResolvedRefs": "!RefNotPermitted", "Programmed": "!Invalid"}
    assert [brief(entry) for entry in status["listeners"]] == [overlapping, overlapping, far]
    without_ca = await statuses(gateway(tls=frontend()), secret("web"))
    (entry,) = without_ca["Gateway edge"]["listeners"]
    wrong = {"Accepted": "!NoValidCACertificate", "ResolvedRefs": "!InvalidCACertificateRef", "Programmed": "!Invalid"}
    assert brief(entry) == wrong
