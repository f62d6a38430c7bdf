"""Sidecars with interception: traffic is redirected to them by iptables. Real network namespaces."""

import json
import sys
from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path

import msgspec
import pytest

from mirrorplane.api.proxy import REDIRECT, Proxy
from mirrorplane.bootstrap.envoy import XdsAddress
from mirrorplane.controlplane.playground.stage import Stage
from mirrorplane.controlplane.settings import Address
from tests import fast_yaml as yaml
from tests.e2e.support.manifests import join_manifests, mesh_config, until
from tests.e2e.support.pod_namespaces import Pod, network, unavailable

pytestmark = [pytest.mark.envoy, pytest.mark.skipif(bool(why := unavailable()), reason=why)]

WORKLOAD = """
import http.server, json, socketserver, sys, threading
class Pages(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = json.dumps({"by": sys.argv[1], "host": self.headers["host"], "peer": self.client_address[0]}).encode()
        print(body.decode(), flush=True)
        self.send_response(200); self.send_header("content-length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
class Greets(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(("I am " + sys.argv[1]).encode())
class Many(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
for port in (7000, 7070, 7071, 9999):
    threading.Thread(target=Many(("0.0.0.0", port), Greets).serve_forever, daemon=True).start()
http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Pages).serve_forever()
"""
ASK = """
import sys, urllib.error, urllib.request as u
try:
    print(u.urlopen(u.Request(sys.argv[1], headers={"Host": sys.argv[2]}), timeout=10).read().decode())
except urllib.error.HTTPError as error:
    print(error.code)
"""
LISTEN = """
import socket, sys
try:
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=10) as s:
        print(s.makefile().read())
except ConnectionError:
    print("closed")
"""
SPEAK = """
import socket, sys
try:
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=10) as s:
        s.sendall(sys.argv[3].encode())
        print(s.makefile().read())
except ConnectionError:
    print("closed")
"""
SERVICES = """
apiVersion: v1
kind: Service
metadata: {name: reviews}
spec:
  clusterIP: 10.96.0.10
  selector: {app: reviews}
  ports: [{name: http, port: 80, targetPort: 8080}, {name: tcp, port: 7000}]
---
apiVersion: v1
kind: Service
metadata: {name: each}
spec:
  clusterIP: None
  selector: {app: reviews}
  ports: [{name: http, port: 8080}, {name: undeclared, port: 7070}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
  - route: [{destination: {host: reviews, subset: v1, port: {number: 80}}}]
    mirror: {host: reviews, subset: v2, port: {number: 80}}
  tcp:
  - match: [{port: 7000}]
    route: [{destination: {host: reviews, subset: v2, port: {number: 7000}}}]
"""


class Mesh(msgspec.Struct, frozen=True):
    """A client and two versions of a service, each in a Pod with a sidecar."""

    stage: Stage
    client: Pod
    v1: Pod
    v2: Pod
    folder: Path

    def ask(self, url: str, host: str) -> dict[str, str] | int:
        return json.loads(self.client.python(ASK, url, host))

    def listen(self, address: str, port: int) -> str:
        return self.client.python(LISTEN, address, str(port))

    def requests(self, version: str) -> list[dict[str, str]]:
        """The requests that a workload received."""
        return [json.loads(line) for line in (self.folder / f"{version}.out").read_text().splitlines()]


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[Mesh]:
    folder = tmp_path / "mesh"
    folder.mkdir()
    with network() as wires:
        async with Stage(folder, Address(wires.host, 0)) as stage:
            pods = {name: wires.pod(name, i) for i, name in enumerate(("sleep", "v1", "v2"), 2)}
            await stage.apply(join_manifests(mesh_config({}), SERVICES.strip() + "\n", *map(_pod, pods.items())))
            for name, pod in pods.items():
                labels = {"app": "sleep"} if name == "sleep" else {"app": "reviews", "version": name}
                proxy = Proxy("sidecar", name, "default", pod.address, labels=labels, interception=REDIRECT)
                wires.sidecar(pod, proxy, XdsAddress(wires.host, stage.xds.port), tmp_path)
                wires.start(pod, sys.executable, "-I", "-c", WORKLOAD, name, log=tmp_path / f"{name}.out")
            await until(lambda: len(list(stage.app.xds.statuses())) == len(pods), "all sidecars are connected")
            await stage.settled()
            yield Mesh(stage, pods["sleep"], pods["v1"], pods["v2"], tmp_path)


def _pod(item: tuple[str, Pod]) -> str:
    """The manifest of a Pod of the service."""
    name, pod = item
    app = "sleep" if name == "sleep" else "reviews"
    spec = {
        "metadata": {"name": name, "labels": {"app": app, "version": name}},
        "spec": {"containers": [{"name": "it", "ports": [{"containerPort": 8080}]}]},
        "status": {"podIP": pod.address, "conditions": [{"type": "Ready", "status": "True"}]},
    }
    return yaml.safe_dump({"apiVersion": "v1", "kind": "Pod", **spec})


async def test_a_call_to_a_service_address_is_routed_and_mirrored_through_both_sidecars(mesh: Mesh):
    assert mesh.ask("http://10.96.0.10/", "reviews") == {"by": "v1", "host": "reviews", "peer": "127.0.0.6"}
    await until(lambda: len(mesh.requests("v2")) == 1, "the copy arrived")
    assert mesh.requests("v2")[0]["host"] == "reviews-shadow"
    for pod in (mesh.v1, mesh.v2):
        assert pod.stats("http.inbound_0.0.0.0_8080.*downstream_rq_total") == {
            "http.inbound_0.0.0.0_8080;.downstream_rq_total": 1
        }


async def test_readiness_and_stats_of_the_sidecar_are_reachable_from_the_platform(mesh: Mesh):
    read = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).read().decode())"
    assert mesh.client.python(read, f"http://{mesh.v1.address}:15021/healthz/ready") == "LIVE"
    assert "envoy_server_live{} 1" in mesh.client.python(read, f"http://{mesh.v1.address}:15090/stats/prometheus")
    assert mesh.listen(mesh.v1.address, 15000) in {"", "closed"}


async def test_tcp_follows_the_rule_when_the_server_speaks_first(mesh: Mesh):
    assert mesh.listen("10.96.0.10", 7000) == "I am v2"


async def test_workloads_are_reached_by_their_own_addresses_with_http_and_with_other_bytes(mesh: Mesh):
    for name, pod in (("v1", mesh.v1), ("v2", mesh.v2)):
        for host in ("each", f"{name}.each"):
            reply = mesh.ask(f"http://{pod.address}:8080/", f"{host}.default.svc.cluster.local")
            assert isinstance(reply, dict)
            assert reply["by"] == name
    ranged = {
        "hosts": ["ranged.example.com"],
        "addresses": [str(ip_network(f"{mesh.v2.address}/24", strict=False))],
        "ports": [{"number": 7071, "name": "undeclared"}],
        "resolution": "NONE",
    }
    registry_only = mesh_config({"outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}})
    await mesh.stage.apply(join_manifests(registry_only, _entry("ranged", ranged)))
    for port in (7070, 7071):
        assert mesh.client.python(SPEAK, mesh.v2.address, str(port), "neither HTTP nor TLS\n") == "I am v2"


async def test_a_workload_belongs_to_the_entry_that_lists_its_address(mesh: Mesh):
    listed = {
        "hosts": ["listed.example.com"],
        "addresses": ["10.96.0.99"],
        "ports": [{"number": 80, "name": "tcp", "protocol": "TCP", "targetPort": 9999}],
        "resolution": "STATIC",
        "endpoints": [{"address": mesh.v2.address}],
    }
    await mesh.stage.apply(_entry("listed", listed))
    assert mesh.listen("10.96.0.99", 80) == "I am v2"
    # A cluster that no connection used, as InboundPassthroughCluster here, has no such counter yet.
    assert mesh.v2.stats(r"cluster\.(inbound.9999|InboundPassthrough).*\.upstream_cx_total") == {
        "cluster.inbound|9999||;.upstream_cx_total": 1
    }


async def test_unknown_destinations_follow_the_outbound_traffic_policy_of_the_mesh(mesh: Mesh):
    assert mesh.listen(mesh.v2.address, 9999) == "I am v2"
    assert mesh.v2.stats("cluster.InboundPassthroughCluster;.upstream_cx_total") == {
        "cluster.InboundPassthroughCluster;.upstream_cx_total": 1
    }
    await mesh.stage.apply(mesh_config({"outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}}))
    assert mesh.listen(mesh.v2.address, 9999) in {"", "closed"}
    assert mesh.ask("http://10.96.0.10/", "unknown.example.com") == 502


async def test_a_workload_may_call_itself_by_its_service(mesh: Mesh):
    reply = json.loads(mesh.v1.python(ASK, "http://10.96.0.10/", "reviews"))
    assert reply["by"] == "v1"


async def test_a_client_that_imports_nothing_reaches_nothing(mesh: Mesh):
    await mesh.stage.apply(_limits("sleep", {"egress": [{"hosts": ["~/*"]}], "outboundTrafficPolicy": {}}))
    for address, port in (("10.96.0.10", 80), ("10.96.0.10", 7000), (mesh.v2.address, 9999)):
        assert mesh.listen(address, port) in {"", "closed"}
    await mesh.stage.apply(_limits("sleep", {"egress": [{"hosts": ["./*"]}], "outboundTrafficPolicy": {}}))
    assert mesh.ask("http://10.96.0.10/", "reviews") == {"by": "v1", "host": "reviews", "peer": "127.0.0.6"}
    assert mesh.listen("10.96.0.10", 7000) == "I am v2"


async def test_inbound_traffic_follows_the_ingress_listeners_of_the_sidecar(mesh: Mesh):
    ingress = [
        {"port": {"number": 8080, "protocol": "HTTP"}, "defaultEndpoint": "127.0.0.1:8080"},
        {"port": {"number": 8888, "protocol": "HTTP"}, "defaultEndpoint": "0.0.0.0:8080"},
        {"port": {"number": 7777, "protocol": "TCP"}, "defaultEndpoint": "127.0.0.1:7000"},
    ]
    await mesh.stage.apply(_limits("reviews", {"ingress": ingress}))
    assert mesh.ask("http://10.96.0.10/", "reviews") == {"by": "v1", "host": "reviews", "peer": "127.0.0.1"}
    reply = mesh.ask(f"http://{mesh.v2.address}:8888/", "anything.example.com")
    assert reply == {"by": "v2", "host": "anything.example.com", "peer": "127.0.0.6"}
    assert mesh.listen(mesh.v2.address, 7777) == "I am v2"


def _entry(name: str, spec: dict[str, object]) -> str:
    """A ServiceEntry."""
    head = {"apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry", "metadata": {"name": name}}
    return yaml.safe_dump({**head, "spec": spec})


def _limits(app: str, spec: dict[str, object]) -> str:
    """A Sidecar for the workloads of an app."""
    full_spec = {"workloadSelector": {"labels": {"app": app}}, **spec}
    head = {"apiVersion": "networking.istio.io/v1", "kind": "Sidecar", "metadata": {"name": app}}
    return yaml.safe_dump({**head, "spec": full_spec})
