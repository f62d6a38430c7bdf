"""Which service accounts are a gateway's routers: only those are sent Secrets. See decision 0133."""

from typing import Any

import msgspec
import pytest

from mirrorplane.api.proxy import Proxy
from mirrorplane.api.resource import CLUSTER, LISTENER, SECRET
from mirrorplane.translators.routers.servers import unserved_servers
from mirrorplane.translators.scopes import criteria, scope_of
from mirrorplane.translators.secrets.router_accounts import ANY_ACCOUNT, accounts_of_selector
from tests.builders import plane_of
from tests.gateway_manifests import doc
from tests.translators.gateway_api.gateway.test_certificates import secret

ROUTER = {"gateway.networking.k8s.io/gateway-name": "edge", "istio": "ingress", "app": "edge", "a": "b"}
TLS = {"name": "https", "port": 443, "protocol": "HTTPS", "tls": {"certificateRefs": [{"name": "web"}]}}
PLAIN = {"name": "http", "port": 80, "protocol": "HTTP"}
LISTED = "mirrorplane.io/service-accounts"


def proxy(account: str, namespace: str = "default") -> Proxy:
    return Proxy("router", "r", namespace, labels=ROUTER, identity=f"spiffe://td/ns/{namespace}/sa/{account}")


async def served(text: str, router: Proxy) -> tuple[set[int], set[str]]:
    """The ports that a router listens on, and the Secrets that it is sent."""
    resources = (await plane_of(text)).render(router)
    ports = {int(name.rpartition("_")[2]) for name in resources.of_type(LISTENER)}
    return ports, set(resources.of_type(SECRET))


def gateway_api(annotations: dict[str, str] | None = None, parameters: dict[str, Any] | None = None) -> str:
    ref = {"group": "mirrorplane.io", "kind": "GatewayParameters", "name": "p"}
    class_spec = {"controllerName": "mirrorplane.io/gateway-controller"}
    texts = [
        doc("GatewayClass", "ours", class_spec | ({"parametersRef": ref} if parameters else {})),
        doc("Gateway", "edge", {"gatewayClassName": "ours", "listeners": [PLAIN, TLS]}, annotations=annotations or {}),
        secret("web"),
    ]
    if parameters:
        texts.append(doc("GatewayParameters", "p", parameters, "mirrorplane.io/v1alpha1"))
    return "---\n".join(texts)


GATEWAY_API = [
    ("edge-ours", {}, {}, True),
    ("edge", {}, {}, False),
    ("sleep", {}, {}, False),
    ("sleep", {LISTED: "a, sleep"}, {}, True),
    ("edge-ours", {LISTED: "a, sleep"}, {}, True),
    ("sleepy", {LISTED: "a, sleep"}, {}, False),
    ("any", {LISTED: "*"}, {}, True),
    ("ingress", {"gateway.istio.io/service-account": "ingress"}, {}, True),
    ("shared", {}, {"serviceAccounts": ["shared"]}, True),
    ("other", {}, {"serviceAccounts": ["shared"]}, False),
]


@pytest.mark.parametrize(("account", "annotations", "parameters", "trusted"), GATEWAY_API)
async def test_routers_of_gateway_api_have_the_account_of_convention_annotation_or_class(
    account: str, annotations: dict[str, str], parameters: dict[str, Any], trusted: bool
):
    ports, secrets = await served(gateway_api(annotations, parameters), proxy(account))
    assert ports == ({80, 443} if trusted else {80}), "everything but Secrets is served to all"
    assert secrets == ({"certificate://default/web"} if trusted else set())


def istio(selector: dict[str, str], namespace: str = "default", **annotations: str) -> str:
    servers = [
        {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]},
        {
            "port": {"number": 443, "name": "https", "protocol": "HTTPS"},
            "hosts": ["*"],
            "tls": {"mode": "SIMPLE", "credentialName": "web"},
        },
    ]
    metadata = {"namespace": namespace, "annotations": {LISTED: annotations["listed"]} if annotations else {}}
    spec = {"selector": selector, "servers": servers}
    return doc("Gateway", "edge", spec, "networking.istio.io/v1", **metadata) + "---\n" + secret("web")


ISTIO, APP, OTHER = {"istio": "ingress"}, {"app": "edge"}, {"a": "b"}
HOME = [
    (ISTIO, "ingress", True),
    (ISTIO, "istio-ingress", True),
    (ISTIO, "istio-ingress-service-account", True),
    (ISTIO, "edge", False),
    (APP, "edge", True),
    (APP, "edge-service-account", True),
    (APP, "sleep", False),
    (OTHER, "b", False),
    ({}, "sleep", False),
]


@pytest.mark.parametrize(("selector", "account", "trusted"), HOME)
async def test_routers_of_istio_have_the_account_that_its_installers_give_them(
    selector: dict[str, str], account: str, trusted: bool
):
    ports, secrets = await served(istio(selector), proxy(account))
    assert (ports, secrets) == (({80, 443}, {"kubernetes://web"}) if trusted else ({80}, set()))
    ports, _ = await served(istio(selector, listed=account), proxy(account))
    assert ports == {80, 443}, "the annotation lists it"


@pytest.mark.parametrize("value", ["", "*"])
def test_a_selector_never_lists_every_account(value: str):
    assert ANY_ACCOUNT not in accounts_of_selector((("app", value), ("istio", value)))
    assert accounts_of_selector((("app", value),)) == ()


ABROAD = [
    (ISTIO, "istio-ingress", "", True),
    (ISTIO, "ingress", "", False),
    (APP, "edge", "", False),
    (OTHER, "sleep", "sleep", False),
    (OTHER, "sleep", "*", False),
]


@pytest.mark.parametrize(("selector", "account", "listed", "trusted"), ABROAD)
async def test_a_gateway_of_another_namespace_does_not_choose_who_gets_the_secrets_of_this_one(
    selector: dict[str, str], account: str, listed: str, trusted: bool
):
    text = istio(selector, "shop", listed=listed)
    assert (await served(text, proxy(account)))[1] == ({"kubernetes://web"} if trusted else set())


async def test_a_router_that_its_own_namespace_trusts_serves_gateways_of_others_too():
    own = doc("Gateway", "own", {"selector": APP, "servers": []}, "networking.istio.io/v1")
    assert (await served(istio(OTHER, "shop") + "---\n" + own, proxy("edge")))[1] == {"kubernetes://web"}


async def test_the_mesh_lists_routers_for_all_gateways():
    mesh = doc("MeshConfig", "default", {"routerServiceAccounts": ["default/x"]}, "mirrorplane.io/v1alpha1")
    for text in (istio(OTHER, "shop"), istio(OTHER), gateway_api()):
        assert (await served(f"{text}---\n{mesh}", proxy("x")))[1]
        assert not (await served(f"{text}---\n{mesh}", proxy("y")))[1]


async def test_client_certificates_of_destination_rules_are_withheld_too():
    tls = {"mode": "MUTUAL", "credentialName": "web"}
    rule = doc("DestinationRule", "d", {"host": "web", "trafficPolicy": {"tls": tls}}, "networking.istio.io/v1")
    web = doc("Service", "web", {"ports": [{"name": "http", "port": 80}]}, "v1")
    text = "---\n".join([istio(APP), rule, web])
    assert (await served(text, proxy("edge")))[1] == {"kubernetes://web"}
    refused = (await plane_of(text)).render(proxy("sleep"))
    assert not refused.of_type(SECRET)
    assert b"kubernetes://" not in b"".join(resource.body for resource in refused.of_type(CLUSTER).values())


async def test_a_listener_set_trusts_the_routers_of_its_gateway():
    allowed = gateway_api().replace(
        "gatewayClassName", "allowedListeners: {namespaces: {from: All}}\n  gatewayClassName"
    )
    spec = {"parentRef": {"name": "edge"}, "listeners": [{**TLS, "name": "m", "port": 8443}]}
    text = f"{allowed}---\n{doc('ListenerSet', 'more', spec, annotations={LISTED: 'sleep'})}"
    assert (await served(text, proxy("edge-ours")))[0] == {80, 443, 8443}
    assert (await served(text, proxy("sleep")))[0] == {80}, "a ListenerSet lists nothing"


async def test_the_reason_names_the_account_and_what_to_do():
    for text, expected in (
        (gateway_api(), "service account sleep is not that of a router of Gateway default/edge (only edge-ours), so"),
        (
            istio({}),
            "Gateway default/edge (none), so it is sent no Secrets (list sleep in the annotation mirrorplane.io",
        ),
        (
            istio(ISTIO, "shop"),
            "(only istio-ingress and istio-ingress-service-account), so it is sent no Secrets (list default/sleep in",
        ),
        (istio(OTHER, "shop"), "(none), so it is sent no Secrets (list default/sleep in routerServiceAccounts of"),
    ):
        view = (await plane_of(text)).engine.view
        (unserved,) = unserved_servers(view, scope_of(proxy("sleep"), view.memo(criteria)))
        assert expected in unserved.explanation


async def test_without_identity_no_service_account_is_listed():
    anonymous = msgspec.structs.replace(proxy("x"), identity="")
    assert (await served(gateway_api({LISTED: "*"}), anonymous)) == ({80}, set())
