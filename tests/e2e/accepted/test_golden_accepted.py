"""Every golden case is loaded by a real Envoy, as the proxy of the case, and read by an independent decoder."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from mirrorplane.api.proxy import REDIRECT, ROUTER, SIDECAR, Proxy
from mirrorplane.bootstrap.envoy import XdsAddress
from mirrorplane.controlplane.commands.node_file import read_node
from mirrorplane.controlplane.playground.stage import Stage
from mirrorplane.controlplane.settings import Address
from tests import fast_yaml as yaml
from tests.builders import SLEEP
from tests.e2e.accepted.test_accepted import AcceptanceCheck
from tests.e2e.support.edge_router import secured_stage
from tests.e2e.support.manifests import until
from tests.e2e.support.pod_namespaces import network, unavailable
from tests.e2e.support.sidecars import free_address
from tests.test_golden import CASES, GOLDEN

pytestmark = pytest.mark.envoy

ROUTER_PORTS = (8080, 8081, 8443, 9000, 9443)


def proxy_of_case(case: Path) -> Proxy:
    """The proxy of a case."""
    node = case / "node.yaml"
    return read_node(node) if node.exists() else SLEEP


def cases_by_proxy(*, intercepted: bool, role: str = SIDECAR) -> list[object]:
    """The proxies of the cases, each with its cases."""
    cases_by_node: dict[str, list[Path]] = {}
    for case in CASES:
        node = proxy_of_case(case)
        if node.role == role and (node.interception == REDIRECT) is intercepted:
            cases_by_node.setdefault(repr(node), []).append(case)
    return [
        pytest.param(proxy_of_case(cases[0]), cases, id=f"{cases[0].relative_to(GOLDEN)} and {len(cases) - 1} more")
        for cases in cases_by_node.values()
    ]


@pytest.mark.parametrize(("node", "cases"), cases_by_proxy(intercepted=False))
async def test_envoy_accepts_golden_cases(stage: Stage, tmp_path: Path, node: Proxy, cases: list[Path]) -> None:
    envoy = await stage.sidecar(msgspec.structs.replace(node, ip=free_address()))
    await assert_accepted(AcceptanceCheck(stage, envoy.log), cases, certificates(tmp_path))


@pytest.mark.skipif(bool(why := unavailable()), reason=why)
@pytest.mark.parametrize(("node", "cases"), cases_by_proxy(intercepted=True))
async def test_envoy_accepts_golden_cases_with_interception(tmp_path: Path, node: Proxy, cases: list[Path]) -> None:
    folder = tmp_path / "mesh"
    folder.mkdir()
    with network() as wires:
        async with Stage(folder, Address(wires.host, 0)) as stage:
            wires.sidecar(wires.pod("it", 2), node, XdsAddress(wires.host, stage.xds.port), tmp_path)
            await until(lambda: len(list(stage.app.xds.statuses())) == 1, "the sidecar is connected")
            await assert_accepted(
                AcceptanceCheck(stage, (tmp_path / f"{node.name}.log").read_text), cases, certificates(tmp_path)
            )


@pytest.mark.parametrize(("node", "cases"), cases_by_proxy(intercepted=False, role=ROUTER))
async def test_envoy_accepts_golden_cases_of_routers(tmp_path: Path, node: Proxy, cases: list[Path]) -> None:
    async with secured_stage(tmp_path, node.namespace, node.service_account or "edge") as (stage, tls):
        address = msgspec.structs.replace(node, ip=free_address(*ROUTER_PORTS), unprivileged=True, identity="")
        envoy = await stage.sidecar(address, tls=tls)
        (tmp_path / "certs").mkdir()
        await assert_accepted(AcceptanceCheck(stage, envoy.log), cases, certificates(tmp_path / "certs"))


def certificates(folder: Path) -> Path:
    """A folder with the files that cases name below /etc/certs."""
    authority = trustme.CA()
    certificate = authority.issue_cert("web.example.com")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    (folder / "crl.pem").write_bytes(revocations())
    return folder


def revocations() -> bytes:
    """An empty certificate revocation list."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "nobody")])
    builder = x509.CertificateRevocationListBuilder(name, now, now + timedelta(days=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


async def assert_accepted(check: AcceptanceCheck, cases: list[Path], files: Path) -> None:
    """Apply one case after the other."""
    problems = []
    for case in cases:
        text = (case / "input.yaml").read_text().replace("/etc/certs", str(files))
        await check.apply(list(yaml.safe_load_all(text)))
        problems += [f"{case.relative_to(GOLDEN)}: {problem}" for problem in check.problems()]
    assert not problems, "\n".join(problems)
