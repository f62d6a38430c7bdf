"""What becomes of connections: TLS by server name, bytes by rule and, with interception, by the address dialled."""

from ipaddress import ip_address
from pathlib import Path

import msgspec
import pytest

from mirrorplane.api.proxy import REDIRECT
from mirrorplane.api.resource import CLUSTER, LISTENER
from mirrorplane.api.tracing import Outcome
from mirrorplane.controlplane.commands.node_file import read_node
from mirrorplane.translators.names import VIRTUAL_INBOUND
from tests.builders import SLEEP, decoded, plane_of, rendered
from tests.traffic_language import ask, brief

GOLDEN = Path(__file__).parents[2] / "golden"


async def served(case: str, url: str, address: str = "") -> Outcome:
    """A request of the proxy of a golden case, `https://` for TLS."""
    folder = GOLDEN / case
    node = folder / "node.yaml"
    plane = await plane_of((folder / "input.yaml").read_text())
    return ask(plane.render(read_node(node)), f"GET {url}", address=address)


@pytest.mark.parametrize(
    ("url", "address", "expected"),
    [
        ("http://web/", "10.96.0.10", "web:80"),
        ("http://web/", "10.44.9.9", "web:80"),  # HTTP goes by its Host, wherever it was meant to go
        ("http://anything:9090/", "10.96.0.10", "web:9090"),  # a service's own listener knows only that service
        ("https://web:9090/", "10.96.0.10", "tcp web"),
        ("https://database", "10.96.0.11", "nothing"),  # its rule wants another server name
        ("https://database.default.svc.cluster.local", "10.96.0.11", "tcp api.example.com"),
        ("https://api.example.com", "192.0.2.1", "tcp api.example.com"),
        ("https://other.example.com", "192.0.2.1", "tcp PassthroughCluster"),
        ("https://x:3306", "10.44.1.1", "tcp queue"),
        ("https://x:3306", "10.44.1.3", "tcp PassthroughCluster"),
        ("https://x:3306", "10.96.0.11", "tcp web"),
        ("http://queue-0.queue/", "10.44.1.1", "queue:80"),
        ("http://10.44.1.1:5672/", "10.44.1.1", "PassthroughCluster"),
        ("https://x:9000", "192.0.2.200", "tcp far.example.com"),
        ("https://x:9000", "192.0.3.1", "tcp PassthroughCluster"),
        ("http://x:4444", "192.0.3.1", "tcp PassthroughCluster"),
    ],
)
async def test_a_sidecar_with_interception(url: str, address: str, expected: str):
    assert brief(await served("interception/sidecar", url, address)) == expected


@pytest.mark.parametrize("remaining", [("192.0.2.1/32",), ("2001:DB8::1", "2001:db8:0::1", "2001:db8::1/128")])
async def test_addresses_that_are_spelled_differently_are_one(remaining: tuple[str, ...]):
    """Envoy refuses a second listener for an address that another has."""
    entry = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: e{0}}}
spec:
  hosts: [e{0}.example.com]
  addresses: ["{1}"]
  resolution: STATIC
  endpoints: [{{address: 192.0.2.7}}]
  ports: [{{number: 3306, name: tcp, protocol: TCP}}]
"""
    text = "\n---\n".join(entry.format(i, address) for i, address in enumerate(remaining))
    resources = decoded(await rendered(text, msgspec.structs.replace(SLEEP, interception=REDIRECT)), LISTENER)
    addresses = {ip_address(name.rpartition("_")[0]) for name in resources if name.endswith("_3306")}
    assert [name for name in resources if name.endswith("_3306")] == [f"{address}_3306" for address in addresses]
    assert addresses == {ip_address(remaining[0].partition("/")[0])}


async def test_a_service_that_leads_to_the_port_of_the_sidecar_itself_leaves_the_others_alone():
    """Envoy refuses a listener with two chains for one port, and all that comes in with it."""
    text = """
apiVersion: v1
kind: Service
metadata: {name: sleep}
spec:
  clusterIP: 10.9.0.1
  selector: {app: sleep}
  ports: [{name: tcp, port: 80, targetPort: 15006}, {name: http, port: 15006}, {name: tcp-next, port: 15007}]
"""
    served = await rendered(text, msgspec.structs.replace(SLEEP, interception=REDIRECT))
    chains = decoded(served, LISTENER)[VIRTUAL_INBOUND]["filter_chains"]
    assert [chain["filter_chain_match"] for chain in chains] == [{"destination_port": p} for p in (15006, 15007)]


async def test_what_no_policy_is_about_has_no_limits():
    """Envoy's own limit is 1,024 connections or requests, and the sidecar would refuse what the workload can take."""
    results = (await plane_of((GOLDEN / "interception/sidecar/input.yaml").read_text())).render(
        read_node(GOLDEN / "interception/sidecar/node.yaml")
    )
    passed_on = {n: c for n, c in decoded(results, CLUSTER).items() if "Passthrough" in n}
    assert len(passed_on) == 2
    for cluster in passed_on.values():
        (most,) = cluster["circuit_breakers"]["thresholds"]
        assert set(most.values()) == {2**32 - 1}
