"""`mirrorplane explain` as a user meets it."""

import json
from pathlib import Path

import pytest
import yaml

from mirrorplane.controlplane.playground.manifests import service
from tests.controlplane.commands.test_cli import failed, run
from tests.e2e.manifests import destination_rule, joined, route, versions, virtual_service

RULES = joined(
    destination_rule("httpbin", {"v1": "v1", "v2": "v2"}),
    virtual_service(
        "httpbin",
        {"match": [{"headers": {"x-user": {"exact": "me"}}}], "redirect": {"uri": "/r"}},
        {
            "match": [{"uri": {"prefix": "/a"}}],
            "route": route(("httpbin", "v1", 90), ("httpbin", "v2", 10)),
            "rewrite": {"uri": "/b"},
            "mirror": {"host": "httpbin", "subset": "v2"},
            "mirrorPercentage": {"value": 12.5},
        },
        {"route": route(("httpbin", "v1", 1)), "timeout": "5s"},
    ),
)


@pytest.fixture
def mesh(tmp_path: Path) -> Path:
    """A service with two versions, and rules about it."""
    folder = tmp_path / "mesh"
    folder.mkdir()
    (folder / "service.yaml").write_text(joined(service("httpbin", 8000), versions("httpbin", [9001, 9002])))
    (folder / "rules.yaml").write_text(RULES)
    return folder


@pytest.fixture
def node(tmp_path: Path) -> Path:
    path = tmp_path / "node.yaml"
    path.write_text("name: sleep\nlabels: {app: sleep}\n")
    return path


def told(mesh: Path, node: Path, *args: str) -> dict[str, list[str]]:
    """What is said, by its title; lines without one belong to the title above."""
    said = run("explain", "-f", mesh, "--proxy", node, *args)
    assert said.returncode == 0, said.stderr
    found: dict[str, list[str]] = {}
    title = ""
    for line in said.stdout.splitlines():
        title = line[:14].strip() or title
        found.setdefault(title, []).append(line[14:].strip())
    return found


def test_a_rule_is_explained_with_shares_mirrors_and_the_reasons_of_others(mesh: Path, node: Path):
    said = told(mesh, node, "GET", "http://httpbin:8000/a/x?q=1")
    assert said["request"] == ["GET /a/x?q=1, Host httpbin:8000"]
    assert said["listener"] == ["127.0.0.1_8000 (filter chain 0)"]
    assert said["virtual host"][0].startswith("httpbin.default.svc.cluster.local:8000, by its name httpbin ")
    assert said["route"] == [f"spec.http[1] of VirtualService default/httpbin ({_rule(mesh, '/a')})"]
    assert said["sent to"] == [
        "httpbin.default.svc.cluster.local:8000, subset v1: 90 % of the requests",
        "rewritten: /b/x?q=1, Host httpbin:8000",
        "httpbin.default.svc.cluster.local:8000, subset v2: 10 % of the requests",
        "rewritten: /b/x?q=1, Host httpbin:8000",
    ]
    assert said["copied to"] == [
        "httpbin.default.svc.cluster.local:8000, subset v2: 12.5 % of the requests, Host httpbin-shadow:8000, "
        "through the guarded cluster mirror|8000|v2|httpbin.default.svc.cluster.local"
    ]
    assert said["not matched"][0].endswith("header x-user is missing (it must be 'me')")
    assert said["not asked"] == ["1 more, since the first that matches holds"]


def _rule(mesh: Path, prefix: str) -> str:
    """The place of the rule with this prefix, as file:line."""
    lines = (mesh / "rules.yaml").read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if line.strip() == f"prefix: {prefix}")
    start = max(i for i in range(at) if lines[i].startswith("  - match:"))
    return f"{mesh / 'rules.yaml'}:{start + 1}"


def test_chance_is_decided_by_a_number(mesh: Path, node: Path):
    for number, subset, copied in (("0", "v1", "this one is,"), ("999999", "v2", "this one is not,")):
        said = told(mesh, node, "GET", "http://httpbin:8000/a", "--random", number)
        assert next(line for line in said["sent to"] if "subset" in line).split(", subset ")[1].startswith(subset)
        assert copied in said["copied to"][0]


def test_an_answer_of_the_proxy_itself(mesh: Path, node: Path):
    said = told(mesh, node, "GET", "http://httpbin:8000/a", "-H", "X-User: me")
    assert said["answer"] == ["301 by the proxy itself, Location http://httpbin:8000/r; nothing is sent on or copied"]


@pytest.mark.parametrize(
    ("url", "title", "wanted"),
    [
        ("http://httpbin:8000/x", "timeout", "5000 ms"),
        ("http://nobody:8000/", "virtual host", "allow_any: no service or rule here has the name nobody:8000"),
        ("http://nobody:8000/", "sent to", "Envoy answers 503: the original destination"),
        ("http://httpbin:81/", "listener", "127.0.0.1_15080, the HTTP proxy (filter chain 0)"),
        ("https://httpbin:8000/", "answer", "none: TLS on a port that takes plain HTTP fails"),
        ("https://httpbin:81/", "listener", "none: nothing takes this on port 81"),
        ("http://httpbin:8000/%00", "answer", "400: the path is invalid"),
    ],
)
def test_what_does_not_match_is_told_too(mesh: Path, node: Path, url: str, title: str, wanted: str):
    assert any(line.startswith(wanted) for line in told(mesh, node, "GET", url)[title])


def test_a_mesh_that_blocks_says_what_it_answers(mesh: Path, node: Path):
    config = "outboundTrafficPolicy: {mode: REGISTRY_ONLY}"
    head = "apiVersion: mirrorplane.io/v1alpha1\nkind: MeshConfig\nmetadata: {name: default}"
    (mesh / "config.yaml").write_text(f"{head}\nspec: {{{config}}}\n")
    assert told(mesh, node, "GET", "http://nobody:8000/")["answer"][0].startswith("502 by the proxy itself")


def test_failures_on_purpose_are_told(mesh: Path, node: Path):
    fault = {"delay": {"fixedDelay": "2s", "percentage": {"value": 50}}}
    rule = {"route": route(("httpbin", "", 1)), "mirror": {"host": "httpbin"}}
    (mesh / "rules.yaml").write_text(virtual_service("httpbin", {**rule, "fault": fault}))
    said = told(mesh, node, "GET", "http://httpbin:8000/")
    assert said["fault"] == ["50 % of the requests are delayed by 2000 ms"]
    assert "copied to" in said
    fault["abort"] = {"httpStatus": 418, "percentage": {"value": 100}}
    (mesh / "rules.yaml").write_text(virtual_service("httpbin", {**rule, "fault": fault}))
    said = told(mesh, node, "GET", "http://httpbin:8000/")
    assert said["fault"][1] == "100 % of the requests are answered 418 on purpose, and not copied"
    assert said["answer"][0].startswith("418 by the proxy itself")
    assert "copied to" not in said


def test_a_sidecar_with_interception_is_asked_by_the_address_of_the_service(mesh: Path, node: Path):
    node.write_text("{name: sleep, ip: 10.0.0.9, interception: REDIRECT}")
    database = service("database", 5000, "tcp").replace("ports:", "clusterIP: 10.96.0.7\n  ports:")
    (mesh / "database.yaml").write_text(database)
    said = told(mesh, node, "GET", "http://database:5000/")
    assert said["listener"] == ["10.96.0.7_5000 (filter chain 0)"]
    assert said["sent to"][0].startswith("outbound|5000||database.default.svc.cluster.local, as bytes")
    assert told(mesh, node, "GET", "http://nobody:81/")["listener"][0].startswith("virtualOutbound")
    assert told(mesh, node, "GET", "http://nobody:8000/")["sent to"] == ["PassthroughCluster"]


def test_no_route_is_404(mesh: Path, node: Path):
    only = virtual_service("httpbin", {"match": [{"uri": {"exact": "/a"}}], "route": route(("httpbin", "", 1))})
    (mesh / "rules.yaml").write_text(only)
    said = told(mesh, node, "GET", "http://httpbin:8000/b")
    assert said["route"] == ["none that matches: Envoy answers 404"]
    assert said["not matched"][0].endswith("the path is /b (it must be /a)")


def test_the_values_are_the_same_as_json_and_yaml(mesh: Path, node: Path):
    args = ("explain", "-f", mesh, "--from", node, "GET", "http://httpbin:8000/a", "-o")
    found = json.loads(run(*args, "json").stdout)
    assert found == yaml.safe_load(run(*args, "yaml").stdout)
    assert [(t["subset"], t["weight"], t["path"]) for t in found["action"]["targets"]] == [
        ("v1", 90, "/b"),
        ("v2", 10, "/b"),
    ]
    assert f"{found['origin']['file']}:{found['origin']['line']}" == _rule(mesh, "/a")
    assert found["skipped"][0]["origin"]["path"] == "spec.http[0]"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("GET", "httpbin/a"), "invalid URL 'httpbin/a': write http://host:port/path"),
        (("GET", "http:///a"), "the host is missing"),
        (("GET", "http://httpbin:99999/"), "invalid URL"),
        (("GET", "http://httpbin/", "-H", "x"), "invalid header 'x': write 'name: value'"),
        (("GET", "http://httpbin/", "-H", "x y: z"), "invalid header"),
    ],
)
def test_what_is_asked_wrongly_is_one_line(mesh: Path, node: Path, args: tuple[str, ...], said: str):
    assert said in failed("explain", "-f", mesh, "--proxy", node, *args)


def test_a_router_answers_on_the_ports_of_its_gateways():
    case = Path(__file__).parents[2] / "golden" / "gateways"
    https, plain, through = (case / name for name in ("https", "plain", "bytes"))
    said = told(https / "input.yaml", https / "node.yaml", "GET", "https://web.example.com:8443/x")
    assert said["listener"] == ["127.0.0.9_8443 (filter chain 0)"]
    assert said["virtual host"][0].endswith("(route configuration https.8443.web.edge.default)")
    said = told(https / "input.yaml", https / "node.yaml", "GET", "https://stranger.example.com:8443/x")
    assert said["listener"] == ["none: nothing takes this on port 8443, and the connection fails"]
    said = told(plain / "input.yaml", plain / "node.yaml", "GET", "http://www.redirected.com:8080/x")
    assert said["route"] == ["none is asked: here plain HTTP is sent to https"]
    said = told(plain / "input.yaml", plain / "node.yaml", "GET", "http://web.example.com:8080/x")
    assert said["copied to"][0].startswith("copy.default.svc.cluster.local")
    said = told(through / "input.yaml", through / "node.yaml", "GET", "https://b.through.com:8443/x")
    clusters = ["outbound|443||web.default.svc.cluster.local", "outbound|443|v2|web.default.svc.cluster.local"]
    assert [line.partition(",")[0] for line in said["sent to"][::2]] == clusters
    assert said["sent to"][1::2] == [
        f"they are closed: {clusters[0]} has no healthy endpoint",
        f"they are closed: cluster {clusters[1]} does not exist",
    ]


def test_datagrams_are_asked_about_by_a_url_of_their_own():
    case = Path(__file__).parents[2] / "golden" / "gateway_api" / "datagrams"
    said = told(case / "input.yaml", case / "node.yaml", "SEND", "udp://edge:8082")
    assert said["datagrams"] == ["to edge:8082"]
    assert said["listener"] == ["127.0.0.9_8082_udp"]
    assert [line.partition(", as")[0] for line in said["sent to"]] == [
        "udp|53||more.default.svc.cluster.local, 50 % of the sessions",
        "NoValidBackend, 50 % of the sessions",
        "they are dropped: cluster NoValidBackend does not exist",
    ]
    said = told(case / "input.yaml", case / "node.yaml", "SEND", "udp://edge:8085")
    assert said["listener"] == ["none: nothing takes this on port 8085, and datagrams are lost"]
    by_tcp = told(case / "input.yaml", case / "node.yaml", "GET", "http://edge:8082")
    assert by_tcp["listener"] == ["127.0.0.9_8082 (filter chain 0)"]


def test_the_address_of_a_url_is_the_one_that_is_called_whatever_the_host_header_says(mesh: Path, node: Path):
    node.write_text("{name: sleep, ip: 10.0.0.9, interception: REDIRECT}")
    database = service("database", 5000, "tcp").replace("ports:", 'clusterIP: "fd00::7"\n  ports:')
    (mesh / "database.yaml").write_text(database)
    for asked in (["http://[FD00:0::7]:5000/"], ["http://database:5000/", "-H", "host: nobody"]):
        assert told(mesh, node, "GET", *asked)["listener"] == ["fd00::7_5000 (filter chain 0)"]
