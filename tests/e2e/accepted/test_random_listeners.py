"""A real Envoy accepts the resources built from any objects of Gateway API."""

from pathlib import Path

import pytest

from mirrorplane.translators.gateway_api.names import ROUTER_LABEL
from tests import fast_yaml as yaml
from tests.e2e.accepted.test_accepted import AcceptanceCheck
from tests.e2e.support import random_listeners
from tests.e2e.support.edge_router import Certificates, router, secured_stage
from tests.e2e.support.manifests import join_manifests
from tests.profiles import examples, seed_of_run

pytestmark = pytest.mark.envoy

WORLDS = examples(0.4)


@pytest.mark.random
async def test_a_router_accepts_random_worlds_of_gateway_api(tmp_path: Path) -> None:
    issued = Certificates()
    authority = issued.ca.cert_pem.bytes()
    first_secret = issued.secret("one", "api.example.com", ca_crt=authority)
    second_secret = issued.secret("two", "*.example.com", ca_crt=authority)
    async with secured_stage(tmp_path, account="edge-ours") as (stage, tls):
        await stage.apply(join_manifests(first_secret, second_secret))
        edge_router = await router(
            stage, *random_listeners.PORTS, tls=tls, unprivileged=True, labels={ROUTER_LABEL: "edge"}
        )
        check, first_seed = AcceptanceCheck(stage, edge_router.envoy.log), seed_of_run()
        for seed in range(first_seed, first_seed + WORLDS):
            await check.apply(list(yaml.safe_load_all(random_listeners.RandomManifests(seed).manifests())))
            problems = check.problems()
            assert not problems, "\n".join((f"MIRRORPLANE_TEST_SEED={seed}", *problems))
