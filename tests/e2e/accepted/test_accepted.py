"""A real Envoy accepts the resources built from any input, and an independent decoder reads the same.

One rejected resource takes everything in it out of service, so no object may break others. The corpus is in
`corpus/`; each object is tried alone, then all objects of a file together.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from mirrorplane.api.proxy import REDIRECT, Proxy
from mirrorplane.api.resource import CLUSTER, LISTENER, ROUTE, Resource
from mirrorplane.bootstrap.envoy import XdsAddress
from mirrorplane.controlplane.playground.stage import Stage
from mirrorplane.controlplane.settings import Address
from tests import fast_yaml as yaml
from tests.e2e.conftest import PROTOCOLS
from tests.e2e.support import random_gateways
from tests.e2e.support.decoders import differences
from tests.e2e.support.edge_router import Certificates, router, secured_stage
from tests.e2e.support.manifests import findings, join_manifests, nack_messages, until
from tests.e2e.support.pod_namespaces import network, unavailable
from tests.e2e.support.random_worlds import random_world
from tests.e2e.support.sidecars import sidecar
from tests.profiles import examples, seed_of_run

pytestmark = pytest.mark.envoy

CORPUS = Path(__file__).parent / "corpus"
WORLDS, FEW = examples(0.15), examples(0.05)
SHOWN = 160  # characters shown at each end of a message: Envoy quotes all that it rejects
UNAVOIDABLE = (
    # The alternative field for the UDP destination is deprecated, which Envoy would warn of too.
    (r"", r"field 'envoy\.extensions\.filters\.udp\.udp_proxy\.v3\.UdpProxyConfig\.matcher' is marked .*"),
    # The interval of a retry budget came with Envoy 1.39.
    (r"1\.3[678]\.", r".*CircuitBreakers\.Thresholds\) with unknown field set \{3\}"),
    # A bug of Envoy 1.39, when a listener is replaced, and the stack.
    (r"1\.39\.", r"envoy bug failure: .*onListenerDrainStart|stacktrace for envoy bug.*|#\d+ UNKNOWN .*"),
)
"""What versions of Envoy log of configuration that they accept."""
TOGETHER = ("ConfigMap", "Service", "Pod", "EndpointSlice", "WorkloadEntry", "MeshConfig", "DestinationRule")
"""Kinds that other objects refer to: those of a file are present all the time."""


@PROTOCOLS
@pytest.mark.parametrize("name", sorted(path.name for path in CORPUS.iterdir()))
async def test_envoy_accepts_every_object(stage: Stage, name: str, delta: bool) -> None:
    documents = list(yaml.safe_load_all((CORPUS / name).read_text()))
    shared = [document for document in documents if document["kind"] in TOGETHER]
    tested = [document for document in documents if document["kind"] not in TOGETHER]
    stage.write("ground.yaml", yaml.safe_dump_all(shared))
    await until(lambda: stage.published(lambda objects: len(objects) == len(shared)), "the file was read")
    check = AcceptanceCheck(stage, (await sidecar(stage, delta=delta, unprivileged=True)).envoy.log)
    problems_by_name = {"ground": check.problems()}
    for document in tested if delta else ():  # whether Envoy accepts a resource does not depend on the protocol
        await check.apply([document])
        problems_by_name[document["metadata"]["name"]] = check.problems()
    await check.apply(tested)
    problems_by_name["all together"] = check.problems()
    problems = [f"{name}: {problem}" for name, messages in problems_by_name.items() for problem in messages]
    assert not problems, "\n".join(problems)


@pytest.mark.random
@PROTOCOLS
async def test_envoy_accepts_random_worlds(stage: Stage, delta: bool) -> None:
    check = AcceptanceCheck(stage, (await sidecar(stage, delta=delta, unprivileged=True)).envoy.log)
    await check.random_worlds(WORLDS if delta else FEW)


@pytest.mark.random
@PROTOCOLS
async def test_a_router_accepts_random_worlds(tmp_path: Path, delta: bool) -> None:
    issued = Certificates()
    authority = issued.ca.cert_pem.bytes()
    secrets = [issued.secret(name, "api.example.com") for name in random_gateways.SECRETS[:2]]
    secrets.append(issued.secret("mutual", "*.example.com", ca_crt=authority))
    async with secured_stage(tmp_path) as (stage, tls):
        await stage.apply(join_manifests(*secrets))
        edge_router = await router(stage, *random_gateways.PORTS, delta=delta, tls=tls, unprivileged=True)
        check = AcceptanceCheck(stage, edge_router.envoy.log)
        await check.random_worlds(WORLDS)
        assert check.type_urls >= {LISTENER, ROUTE, CLUSTER}


@pytest.mark.random
@pytest.mark.skipif(bool(why := unavailable()), reason=why)
async def test_envoy_accepts_random_worlds_with_interception(tmp_path: Path) -> None:
    folder = tmp_path / "mesh"
    folder.mkdir()
    with network() as wires:
        async with Stage(folder, Address(wires.host, 0)) as stage:
            pod = wires.pod("web", 2, intercepted=False)
            labels = {"app": "web", "version": "v1"}
            proxy = Proxy("sidecar", "web", "default", pod.address, labels=labels, interception=REDIRECT)
            wires.sidecar(pod, proxy, XdsAddress(wires.host, stage.xds.port), tmp_path)
            await until(lambda: len(list(stage.app.xds.statuses())) == 1, "the sidecar is connected")
            await AcceptanceCheck(stage, (tmp_path / "web.log").read_text).random_worlds(FEW)


class AcceptanceCheck:
    """An Envoy under test: applies manifests, and collects every problem with their resources."""

    def __init__(self, stage: Stage, log: Callable[[], str]) -> None:
        self._stage, self._log = stage, log
        self._lines_checked = 0
        self._checked_versions: set[str] = set()
        self.type_urls: set[str] = set()

    async def random_worlds(self, count: int) -> None:
        """Apply a number of random worlds, one after the other."""
        first_seed = seed_of_run()
        for seed in range(first_seed, first_seed + count):
            await self.apply(list(yaml.safe_load_all(random_world(seed))))
            problems = self.problems()
            assert not problems, "\n".join((f"MIRRORPLANE_TEST_SEED={seed}", *problems))

    async def apply(self, documents: Sequence[object]) -> None:
        """Replace the manifests under test, and wait until the proxy has answered all pushes."""
        app = self._stage.app
        batches = app.batches
        # An object that differs each time, so that there is a change even if validation rejects the manifests.
        mark = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mark", "labels": {"n": str(batches)}}}
        self._stage.write("tried.yaml", yaml.safe_dump_all([*documents, mark]))
        await until(lambda: app.batches > batches, "the file was read")
        await self._stage.settled()

    def problems(self) -> list[str]:
        """Return every problem: NACKs, failed builds, new warnings of the proxy, differences in decoding."""
        app = self._stage.app
        problems = [*nack_messages(self._stage), *(f.message for f in findings(self._stage) if f.reason == "Rejected")]
        problems += [f"{key}: {error}" for key, error in app.plane.publisher.failures.items()]
        lines = self._log().splitlines()
        logged = (json.loads(line)["msg"] for line in lines[self._lines_checked :])
        problems += [line for line in logged if not self._is_unavoidable(line)]
        self._lines_checked = len(lines)
        problems += [difference for resource in self._new_resources() for difference in differences(resource)]
        return list(dict.fromkeys(_short(problem) for problem in problems))

    def _is_unavoidable(self, line: str) -> bool:
        (stream,) = list(self._stage.app.xds.statuses())
        version = stream.proxy.envoy_version
        return any(re.match(versions, version) and re.fullmatch(text, line) for versions, text in UNAVOIDABLE)

    def _new_resources(self) -> Iterator[Resource]:
        """Yield the served resources that were not checked before."""
        (stream,) = list(self._stage.app.xds.statuses())
        for resources in self._stage.app.plane.render(stream.proxy).resources.values():
            for resource in resources.values():
                if resource.version not in self._checked_versions:
                    self._checked_versions.add(resource.version)
                    self.type_urls.add(resource.type_url)
                    yield resource


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= 2 * SHOWN else f"{plain[:SHOWN]} ... {plain[-SHOWN:]}"
