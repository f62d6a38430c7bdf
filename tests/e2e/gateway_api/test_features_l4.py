"""Every TLS, TCP and UDP feature of Gateway API at Gateways, through one real Envoy as the router."""

import ssl
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from mirrorplane.controlplane.playground.stage import Stage
from tests.e2e.gateway_api.test_l4 import connect, count_answers, udp_sessions, workloads
from tests.e2e.gateway_api.test_tls import config_map
from tests.e2e.support.edge_router import Certificates, Router, router, secured_stage
from tests.e2e.support.feature_cases import (
    ACCEPTED,
    GATEWAY_CLASS,
    HTTP,
    conditions_of,
    gateway,
    listener,
    route_manifest,
    route_name,
)
from tests.e2e.support.l4_features import CONTROL, FEATURES, Dial
from tests.e2e.support.manifests import NO_ACCESS_LOG, join_manifests, nack_messages, until
from tests.e2e.support.mesh_features import manifest_yaml

pytestmark = pytest.mark.envoy

HOSTS = ("*.example.com", "very.specific.com", "*.wildcard.io", "*.deep.wildcard.io")
LABELS = {"gateway.networking.k8s.io/gateway-name": "edge"}


async def test_connections_go_where_routes_say(tmp_path: Path):
    issued, theirs = Certificates(), Certificates()
    secure = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.ca.issue_cert(*HOSTS).configure_cert(secure)
    async with secured_stage(tmp_path, account="edge-ours") as (stage, tls), AsyncExitStack() as stack:
        uses_tls = await stack.enter_async_context(workloads("one", "two", "again", secure=secure))
        plain = await stack.enter_async_context(workloads("three", "four", "far/far", "far/alone"))
        features = FEATURES.items()
        listeners = [spec for _, feature in features for spec in feature.listeners]
        await stage.apply(
            join_manifests(
                NO_ACCESS_LOG,
                GATEWAY_CLASS,
                gateway(listener("http", HTTP), *listeners),
                issued.secret("web", *HOSTS),
                uses_tls,
                plain,
                _trusted(theirs),
                *(
                    route_manifest(name, i, route)
                    for name, feature in features
                    for i, route in enumerate(feature.routes)
                ),
                *(text for _, feature in features for text in feature.objects),
            )
        )
        edge_router = await router(stage, HTTP, *{spec["port"] for spec in listeners}, tls=tls, labels=LABELS)
        theirs.ca.configure_trust(trusts := issued.client())
        problems = [
            f"{name}: {dial.port} {dial.host}: {answerer!r} instead of {dial.expected!r}"
            for name, feature in features
            for dial in feature.dials
            if (answerer := await _answer(edge_router, dial, trusts)) != dial.expected
        ]
        problems += await _conditions(stage)
        assert not problems, "\n".join(problems)
        assert not nack_messages(stage)


def _trusted(issued: Certificates) -> str:
    """A BackendTLSPolicy for the Service `again`."""
    refs = [{"group": "", "kind": "ConfigMap", "name": "again"}]
    validation = {"hostname": "backend.example.com", "caCertificateRefs": refs}
    target = {"group": "", "kind": "Service", "name": "again"}
    policy = manifest_yaml("BackendTLSPolicy", "again", {"targetRefs": [target], "validation": validation})
    return join_manifests(policy, config_map("again", issued.ca.cert_pem.bytes()))


async def _answer(edge_router: Router, dial: Dial, trusts: ssl.SSLContext) -> str:
    if not dial.udp:
        return await connect(edge_router, dial.port, dial.host, trusts)
    async with udp_sessions(edge_router, dial.port, 3) as dialled, udp_sessions(edge_router, CONTROL, 3) as control:
        if dial.expected:
            await until(lambda: all(session.answer for session in dialled), f"datagrams to {dial.port} were answered")
        await until(lambda: all(session.answer for session in control), "datagrams that were sent later were answered")
        return " ".join(count_answers(dialled))


async def _conditions(stage: Stage) -> list[str]:
    """Return the unexpected statuses of the routes."""
    statuses = {
        (ref.kind.rpartition("/")[2], ref.name): status for ref, status in await stage.app.status_updater.statuses()
    }
    problems = []
    for name, feature in FEATURES.items():
        for i, route in enumerate(feature.routes):
            parents, expected = statuses[route.kind, route_name(name, i)]["parents"], {**ACCEPTED, **route.conditions}
            if [conditions_of(parent) for parent in parents] != [expected] * len(route.parents):
                problems.append(
                    f"{route_name(name, i)}: {[conditions_of(parent) for parent in parents]} instead of {expected}"
                )
    return problems
