"""Every gRPC feature of Gateway API at Gateways, through one real Envoy as the router."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import msgspec
import pytest
import trustme

from mirrorplane.controlplane.playground.manifests import local_pod
from mirrorplane.controlplane.playground.stage import Stage
from tests.e2e.gateway_api.test_grpc import Speaker
from tests.e2e.gateway_api.test_tls import config_map, policy
from tests.e2e.support.edge_router import Certificates, Router, router, secured_stage
from tests.e2e.support.feature_cases import (
    ACCEPTED,
    GATEWAY_CLASS,
    HTTP,
    Route,
    conditions_of,
    gateway,
    host_name,
    listener,
    route_manifest,
    route_name,
)
from tests.e2e.support.manifests import NO_ACCESS_LOG, join_manifests, nack_messages
from tests.e2e.support.mesh_features import PORT, fields, filters, manifest_yaml, rule_to

pytestmark = pytest.mark.envoy

NAMED, HTTPS = 18301, 18443
LABELS = {"gateway.networking.k8s.io/gateway-name": "edge"}
BACKEND = "backend.example.com"


class Call(msgspec.Struct, frozen=True):
    """A call of a method; `host` defaults to the feature's own. `expected` is the answering server, or the status."""

    method: str
    expected: str
    metadata: Mapping[str, str] = {}
    backend_metadata: Mapping[str, str | None] = {}
    host: str = ""
    port: int = HTTP


class Feature(msgspec.Struct, frozen=True):
    routes: Sequence[Route]
    calls: Sequence[Call]
    listeners: Sequence[Mapping[str, Any]] = ()


def _calls(*rules: Mapping[str, Any], **more: Any) -> Route:
    return Route(rules, kind="GRPCRoute", **more)


def _when(**method: str) -> list[dict[str, Any]]:
    return [{"method": method}]


def _with(*headers: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"headers": list(headers)}]


_ONE, _TWO, _ORANGE = fields("version", "one")[0], fields("version", "two")[0], fields("color", "orange")[0]
_CHANGES = {"set": fields("x-set", "rule"), "remove": ["x-gone"]}
_SENT = {"x-set": "mine", "x-gone": "mine"}
FEATURES = {
    "GRPCExactMethodMatching": Feature(
        [
            _calls(
                rule_to("v1", matches=_when(service="shop.Till", method="Pay")),
                rule_to("v2", matches=_when(service="shop.Till", method="Refund")),
                rule_to("v3", matches=_when(service="shop.Till.V2")),
            )
        ],
        [
            Call("/shop.Till/Pay", "v1"),
            Call("/shop.Till/Refund", "v2"),
            Call("/shop.Till.V2/Pay", "v3"),
            Call("/shop.Till/Other", "UNIMPLEMENTED"),
            Call("/shop.Till/pay", "UNIMPLEMENTED"),
            Call("/shop.Other/Pay", "UNIMPLEMENTED"),
        ],
    ),
    "GRPCRouteHeaderMatching": Feature(
        [
            _calls(
                rule_to("v1", matches=_with(_ONE)),
                rule_to("v2", matches=_with(_TWO)),
                rule_to("v3", matches=_with(_TWO, _ORANGE)),
                rule_to("v1", matches=[*_with(fields("color", "blue")[0]), *_with(fields("color", "green")[0])]),
                rule_to("v3", matches=[{**_when(service="shop.Till")[0], "headers": [_ONE]}]),
            )
        ],
        [
            Call("/a.A/B", "v1", {"version": "one"}),
            Call("/a.A/B", "v2", {"version": "two"}),
            Call("/a.A/B", "v3", {"version": "two", "color": "orange"}),
            Call("/a.A/B", "v1", {"color": "blue"}),
            Call("/a.A/B", "v1", {"color": "green"}),
            Call("/shop.Till/Pay", "v3", {"version": "one"}),
            Call("/a.A/B", "UNIMPLEMENTED", {"color": "orange"}),
            Call("/a.A/B", "UNIMPLEMENTED"),
        ],
    ),
    "GRPCRouteListenerHostnameMatching": Feature(
        [
            _calls(rule_to("v1"), hosts=[], parents=[{"sectionName": "bar"}]),
            _calls(rule_to("v2"), hosts=[], parents=[{"sectionName": "foo-bar"}]),
            _calls(rule_to("v3"), hosts=[], parents=[{"sectionName": "wild-bar"}, {"sectionName": "wild-foo"}]),
        ],
        [
            Call("/a.A/B", want, host=host, port=NAMED)
            for host, want in {
                "bar.com": "v1",
                "foo.bar.com": "v2",
                "baz.bar.com": "v3",
                "a.b.bar.com": "v3",
                "multiple.prefixes.foo.com": "v3",
                "foo.com": "UNIMPLEMENTED",
                "no.matching.host": "UNIMPLEMENTED",
            }.items()
        ],
        [
            listener("bar", NAMED, "bar.com"),
            listener("foo-bar", NAMED, "foo.bar.com"),
            listener("wild-bar", NAMED, "*.bar.com"),
            listener("wild-foo", NAMED, "*.foo.com"),
        ],
    ),
    "GRPCRouteNamedRule": Feature(
        [
            _calls(
                rule_to("v1", name="first", matches=_when(service="a.First")),
                rule_to("v2", name="second", matches=_when(service="a.Second")),
            )
        ],
        [Call("/a.First/A", "v1"), Call("/a.Second/A", "v2")],
    ),
    "GRPCRouteRequestHeaderModifier": Feature(
        [_calls(rule_to("v1", filters=filters("RequestHeaderModifier", _CHANGES)))],
        [
            Call("/a.A/B", "v1", _SENT, {"x-set": "rule", "x-gone": None}),
            Call("/a.A/B", "v1", {"x-kept": "mine"}, {"x-set": "rule", "x-kept": "mine"}),
        ],
    ),
    "BackendTLSPolicyGRPCRoute": Feature([_calls(rule_to("secured"))], [Call("/a.A/B", "secured")]),
}


class TlsSpeaker(Speaker):
    """A gRPC server that speaks TLS only."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.ca = trustme.CA()

    async def __aenter__(self) -> "TlsSpeaker":
        issued = self.ca.issue_cert(BACKEND)
        pair = issued.private_key_pem.bytes(), b"".join(pem.bytes() for pem in issued.cert_chain_pems)
        self._server = grpc.aio.server()
        self._server.add_generic_rpc_handlers([self])
        self.port = self._server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
        await self._server.start()
        return self


def _behind(speaker: Speaker) -> str:
    ports = [{"name": "grpc", "port": PORT}]
    pod = local_pod(speaker.name, speaker.name, {"app": speaker.name}, speaker.port, "grpc")
    return join_manifests(manifest_yaml("Service", speaker.name, {"ports": ports}, "v1"), pod)


async def test_calls_go_where_routes_say(stage: Stage):
    async with Speaker("v1") as v1, Speaker("v2") as v2, Speaker("v3") as v3, TlsSpeaker("secured") as secured:
        speakers = {speaker.name: speaker for speaker in (v1, v2, v3, secured)}
        listeners = [spec for feature in FEATURES.values() for spec in feature.listeners]
        routes = [route_manifest(name, i, route) for name, f in FEATURES.items() for i, route in enumerate(f.routes)]
        tls_objects = [policy("secured", "secured", "secured"), config_map("secured", secured.ca.cert_pem.bytes())]
        pods = [_behind(speaker) for speaker in speakers.values()]
        await stage.apply(
            join_manifests(
                NO_ACCESS_LOG, GATEWAY_CLASS, gateway(listener("http", HTTP), *listeners), *routes, *pods, *tls_objects
            )
        )
        edge_router = await router(stage, HTTP, NAMED, labels=LABELS)
        problems = [
            f"{name}: {call.method} at {call.host}: {problem}"
            for name, feature in FEATURES.items()
            for call in feature.calls
            for problem in await _problems(edge_router, call.host or host_name(name), call, speakers)
        ]
        assert not problems, "\n".join(problems)
        statuses = {ref.name: status for ref, status in await stage.app.status_updater.statuses()}
        route_names = [route_name(name, i) for name, feature in FEATURES.items() for i, _ in enumerate(feature.routes)]
        assert all(conditions_of(parent) == ACCEPTED for name in route_names for parent in statuses[name]["parents"])
    assert not nack_messages(stage)


async def _problems(edge_router: Router, host: str, call: Call, speakers: Mapping[str, Speaker]) -> list[str]:
    options = [("grpc.default_authority", host)]
    async with grpc.aio.insecure_channel(f"{edge_router.address}:{call.port}", options) as channel:
        try:
            answer = await channel.unary_unary(call.method)(b"", metadata=tuple(call.metadata.items()), timeout=60)
        except grpc.aio.AioRpcError as error:
            answerer = error.code().name
        else:
            answerer = answer.decode().strip()
    problems = [] if answerer == call.expected else [f"{answerer} instead of {call.expected}"]
    if call.backend_metadata and answerer in speakers:
        method, metadata = speakers[answerer].calls[-1]
        problems += [] if method == call.method else [f"{method} arrived"]
        problems += [
            f"got {n}: {metadata.get(n)}" for n, value in call.backend_metadata.items() if metadata.get(n) != value
        ]
    return problems


async def test_grpc_calls_are_routed_over_tls(tmp_path: Path):
    issued, host = Certificates(), host_name("GRPCRoute")
    secured = listener("https", HTTPS, host, "HTTPS", tls={"certificateRefs": [{"name": "web"}]})
    async with secured_stage(tmp_path, account="edge-ours") as (stage, tls), Speaker("v1") as v1:
        rules = _calls(rule_to("v1", matches=_when(service="shop.Till")), parents=[{"sectionName": "https"}])
        route = route_manifest("GRPCRoute", 0, rules)
        await stage.apply(
            join_manifests(
                NO_ACCESS_LOG, GATEWAY_CLASS, gateway(secured), route, _behind(v1), issued.secret("web", host)
            )
        )
        edge_router = await router(stage, HTTPS, tls=tls, labels=LABELS)
        trusts = grpc.ssl_channel_credentials(issued.ca.cert_pem.bytes())
        channel_options = [("grpc.ssl_target_name_override", host), ("grpc.default_authority", host)]
        async with grpc.aio.secure_channel(f"{edge_router.address}:{HTTPS}", trusts, channel_options) as channel:
            assert (await channel.unary_unary("/shop.Till/Pay")(b"", timeout=60)).decode().strip() == "v1"
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await channel.unary_unary("/shop.Other/Pay")(b"", timeout=60)
            assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
        assert not nack_messages(stage)


async def test_http1_requests_are_forwarded_as_http2_to_an_h2c_port(stage: Stage, client: aiohttp.ClientSession):
    """HTTPRouteBackendProtocolH2C. The backend is a gRPC server, since it speaks HTTP/2 only."""
    async with Speaker("v1") as v1:
        ports = [{"name": "http", "port": PORT, "appProtocol": "kubernetes.io/h2c"}]
        pod = local_pod("v1", "v1", {"app": "v1"}, v1.port)
        route = route_manifest("HTTPRouteBackendProtocolH2C", 0, Route([rule_to("v1")]))
        h2c_service = manifest_yaml("Service", "v1", {"ports": ports}, "v1")
        await stage.apply(
            join_manifests(NO_ACCESS_LOG, GATEWAY_CLASS, gateway(listener("http", HTTP)), route, h2c_service, pod)
        )
        edge_router = await router(stage, HTTP, labels=LABELS)
        headers = {
            "Host": host_name("HTTPRouteBackendProtocolH2C"),
            "Content-Type": "application/grpc",
            "TE": "trailers",
        }
        async with client.post(edge_router.url("http", HTTP, "/any.Any/Any"), headers=headers, data=bytes(5)) as answer:
            assert (answer.status, answer.version) == (200, aiohttp.HttpVersion11)
            assert await answer.read() == b"\0" + len(b"v1 ").to_bytes(4) + b"v1 "
    assert not nack_messages(stage)
