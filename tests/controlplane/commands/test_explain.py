"""`mirrorplane explain` as a user meets it."""

import json
from pathlib import Path

import pytest

from mirrorplane.controlplane.playground.manifests import service
from tests import fast_yaml as yaml
from tests.controlplane.commands.command_line import error_line, run, run_process
from tests.e2e.support.manifests import destination_rule, join_manifests, route, versions, virtual_service

RULES = join_manifests(
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
    (folder / "service.yaml").write_text(join_manifests(service("httpbin", 8000), versions("httpbin", [9001, 9002])))
    (folder / "rules.yaml").write_text(RULES)
    return folder


@pytest.fixture
def node(tmp_path: Path) -> Path:
    path = tmp_path / "node.yaml"
    path.write_text("name: sleep\nlabels: {app: sleep}\n")
    return path


def explained(mesh: Path, node: Path, *args: str) -> dict[str, list[str]]:
    """The lines by title; lines without one belong to the title above."""
    result = run("explain", "-f", mesh, "--proxy", node, *args)
    assert result.returncode == 0, result.stderr
    lines: dict[str, list[str]] = {}
    title = ""
    for line in result.stdout.splitlines():
        title = line[:14].strip() or title
        lines.setdefault(title, []).append(line[14:].strip())
    return lines


def test_a_rule_is_explained_with_shares_mirrors_and_the_reasons_of_others(mesh: Path, node: Path):
    lines = explained(mesh, node, "GET", "http://httpbin:8000/a/x?q=1")
    assert lines["request"] == ["GET /a/x?q=1, Host httpbin:8000"]
    assert lines["listener"] == ["127.0.0.1_8000 (filter chain 0)"]
    assert lines["virtual host"][0].startswith("httpbin.default.svc.cluster.local:8000, by its domain httpbin ")
    assert lines["route"] == [f"spec.http[1] of VirtualService default/httpbin ({_rule(mesh, '/a')})"]
    assert lines["sent to"] == [
        "httpbin.default.svc.cluster.local:8000, subset v1: 90 % of the requests",
        "rewritten: /b/x?q=1, Host httpbin:8000",
        "httpbin.default.svc.cluster.local:8000, subset v2: 10 % of the requests",
        "rewritten: /b/x?q=1, Host httpbin:8000",
    ]
    assert lines["copied to"] == [
        "httpbin.default.svc.cluster.local:8000, subset v2: 12.5 % of the requests, Host httpbin-shadow:8000, "
        "through the guarded cluster mirror|8000|v2|httpbin.default.svc.cluster.local",
        "guards: bodies to 1 MiB, 128 copies in flight, 15s for a copy, 1s to connect; what exceeds them is dropped or "
        "cut off, and the request is not affected",
        "the copy has all headers of what is sent, credentials too (authorization, cookie, x-forwarded-client-cert), "
        "and x-envoy-internal: true from Envoy",
        "not done for the copy: retries, consistent hashing; its answer is discarded",
    ]
    assert lines["not matched"][0].endswith("header x-user is missing (it must be 'me')")
    assert lines["not evaluated"] == ["1 more: the first matching route applies"]


def _rule(mesh: Path, prefix: str) -> str:
    """The place of the rule with this prefix, as file:line."""
    lines = (mesh / "rules.yaml").read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if line.strip() == f"prefix: {prefix}")
    start = max(i for i in range(at) if lines[i].startswith("  - match:"))
    return f"{mesh / 'rules.yaml'}:{start + 1}"


def test_chance_is_decided_by_a_number(mesh: Path, node: Path):
    for number, subset, copied in (("0", "v1", "including this one"), ("999999", "v2", "but not this one")):
        lines = explained(mesh, node, "GET", "http://httpbin:8000/a", "--random", number)
        assert next(line for line in lines["sent to"] if "subset" in line).split(", subset ")[1].startswith(subset)
        assert copied in lines["copied to"][0]


def test_an_answer_of_the_proxy_itself(mesh: Path, node: Path):
    lines = explained(mesh, node, "GET", "http://httpbin:8000/a", "-H", "X-User: me")
    [answer] = lines["answer"]
    assert answer == "301 by the proxy itself, Location http://httpbin:8000/r; nothing is forwarded or mirrored"


@pytest.mark.parametrize(
    ("url", "title", "expected"),
    [
        ("http://httpbin:8000/x", "timeout", "5000 ms"),
        ("http://nobody:8000/", "virtual host", "allow_any: no service or route has the host nobody:8000"),
        ("http://nobody:8000/", "sent to", "Envoy answers 503: the original destination"),
        ("http://httpbin:81/", "listener", "127.0.0.1_15080, the HTTP proxy (filter chain 0)"),
        ("https://httpbin:8000/", "answer", "none: the port expects plain HTTP"),
        ("https://httpbin:81/", "listener", "none on port 81: the connection fails"),
        ("http://httpbin:8000/%00", "answer", "400: the path is invalid"),
    ],
)
def test_what_does_not_match_is_explained_too(mesh: Path, node: Path, url: str, title: str, expected: str):
    assert any(line.startswith(expected) for line in explained(mesh, node, "GET", url)[title])


def test_a_mesh_that_blocks_says_what_it_answers(mesh: Path, node: Path):
    config = "outboundTrafficPolicy: {mode: REGISTRY_ONLY}"
    head = "apiVersion: mirrorplane.io/v1alpha1\nkind: MeshConfig\nmetadata: {name: default}"
    (mesh / "config.yaml").write_text(f"{head}\nspec: {{{config}}}\n")
    assert explained(mesh, node, "GET", "http://nobody:8000/")["answer"][0].startswith("502 by the proxy itself")


def test_guards_are_those_of_the_mesh(mesh: Path, node: Path):
    head = "apiVersion: mirrorplane.io/v1alpha1\nkind: MeshConfig\nmetadata: {name: default}"
    guards = "{maxBodyBytes: 1536, maxRequests: 7, deadline: 1500ms, connectTimeout: 250ms}"
    (mesh / "config.yaml").write_text(f"{head}\nspec: {{mirroring: {{guards: {guards}}}}}\n")
    lines = explained(mesh, node, "GET", "http://httpbin:8000/a")["copied to"]
    assert lines[1].startswith("guards: bodies to 1.5 KiB, 7 copies in flight, 1.5s for a copy, 250ms to connect;")
    args = ("explain", "-f", mesh, "--proxy", node, "GET", "http://httpbin:8000/a", "-o", "json")
    [mirror] = json.loads(run(*args).stdout)["action"]["mirrors"]
    assert (mirror["guards"]["max_body_bytes"], mirror["guards"]["deadline_ms"]) == (1536, 1500)


def test_header_changes_are_explained_whether_or_not_the_request_has_the_headers(mesh: Path, node: Path):
    changes = {"request": {"set": {"x-a": "1"}, "add": {"x-b": "2"}, "remove": ["cookie", "x-user"]}}
    rule = {"route": route(("httpbin", "", 1)), "mirror": {"host": "httpbin"}, "headers": changes}
    (mesh / "rules.yaml").write_text(virtual_service("httpbin", rule))
    lines = explained(mesh, node, "GET", "http://httpbin:8000/", "-H", "x-user: me")
    assert lines["sent to"][1:] == [
        "set on the request: x-a: 1",
        "added on the request: x-b: 2",
        "removed from the request: cookie, x-user",
    ]
    assert "credentials too (authorization, x-forwarded-client-cert)" in lines["copied to"][2]


def test_a_credential_that_only_some_targets_lose_is_copied(mesh: Path, node: Path):
    removal = {"headers": {"request": {"remove": ["authorization"]}}}
    first, second = route(("httpbin", "v1", 50), ("httpbin", "v2", 50))
    mirror = {"mirror": {"host": "httpbin"}}
    for targets, copied in (
        ([{**first, **removal}, second], True),
        ([{**first, **removal}, {**second, **removal}], False),
    ):
        (mesh / "rules.yaml").write_text(
            join_manifests(
                destination_rule("httpbin", {"v1": "v1", "v2": "v2"}),
                virtual_service("httpbin", {"route": targets, **mirror}),
            )
        )
        lines = explained(mesh, node, "GET", "http://httpbin:8000/")["copied to"]
        assert any("authorization" in line for line in lines) is copied


@pytest.mark.parametrize("url", ["http://httpbin/", "http://httpbin.default:80/x", "http://httpbin.default.svc/"])
def test_a_service_that_is_called_on_another_port_is_recognised(mesh: Path, node: Path, url: str):
    hint = "httpbin.default.svc.cluster.local listens on 8000, not 80"
    assert hint in explained(mesh, node, "GET", url)["virtual host"]
    node.write_text("{name: sleep, ip: 10.0.0.9, interception: REDIRECT}")
    assert hint in [line for lines in explained(mesh, node, "GET", url).values() for line in lines]


def test_a_stranger_gets_no_hint(mesh: Path, node: Path):
    for url in ("http://httpbin:8000/", "http://nobody/", "http://10.0.0.1/"):
        lines = explained(mesh, node, "GET", url)
        assert not [line for group in lines.values() for line in group if "listens on" in line]


def test_injected_faults_are_explained(mesh: Path, node: Path):
    fault = {"delay": {"fixedDelay": "2s", "percentage": {"value": 50}}}
    rule = {"route": route(("httpbin", "", 1)), "mirror": {"host": "httpbin"}}
    (mesh / "rules.yaml").write_text(virtual_service("httpbin", {**rule, "fault": fault}))
    lines = explained(mesh, node, "GET", "http://httpbin:8000/")
    assert lines["fault"] == ["50 % of the requests are delayed by 2000 ms"]
    assert "copied to" in lines
    fault["abort"] = {"httpStatus": 418, "percentage": {"value": 100}}
    (mesh / "rules.yaml").write_text(virtual_service("httpbin", {**rule, "fault": fault}))
    lines = explained(mesh, node, "GET", "http://httpbin:8000/")
    assert lines["fault"][1] == "100 % of the requests are aborted with 418, and not mirrored"
    assert lines["answer"][0].startswith("418 by the proxy itself")
    assert "copied to" not in lines


def test_a_sidecar_with_interception_is_asked_by_the_address_of_the_service(mesh: Path, node: Path):
    node.write_text("{name: sleep, ip: 10.0.0.9, interception: REDIRECT}")
    database = service("database", 5000, "tcp").replace("ports:", "clusterIP: 10.96.0.7\n  ports:")
    (mesh / "database.yaml").write_text(database)
    lines = explained(mesh, node, "GET", "http://database:5000/")
    assert lines["listener"] == ["10.96.0.7_5000 (filter chain 0)"]
    assert lines["sent to"][0].startswith("outbound|5000||database.default.svc.cluster.local, at L4")
    assert explained(mesh, node, "GET", "http://nobody:81/")["listener"][0].startswith("virtualOutbound")
    assert explained(mesh, node, "GET", "http://nobody:8000/")["sent to"] == ["PassthroughCluster"]


def test_no_route_is_404(mesh: Path, node: Path):
    only = virtual_service("httpbin", {"match": [{"uri": {"exact": "/a"}}], "route": route(("httpbin", "", 1))})
    (mesh / "rules.yaml").write_text(only)
    lines = explained(mesh, node, "GET", "http://httpbin:8000/b")
    assert lines["route"] == ["none matches: Envoy answers 404"]
    assert lines["not matched"][0].endswith("the path is /b (it must be /a)")


def test_the_values_are_the_same_as_json_and_yaml(mesh: Path, node: Path):
    args = ("explain", "-f", mesh, "--from", node, "GET", "http://httpbin:8000/a", "-o")
    values = json.loads(run(*args, "json").stdout)
    assert values == yaml.safe_load(run_process(*args, "yaml").stdout)
    assert [(t["subset"], t["weight"], t["path"]) for t in values["action"]["targets"]] == [
        ("v1", 90, "/b"),
        ("v2", 10, "/b"),
    ]
    assert f"{values['origin']['file']}:{values['origin']['line']}" == _rule(mesh, "/a")
    assert values["skipped"][0]["origin"]["path"] == "spec.http[0]"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("GET", "httpbin/a"), "invalid URL 'httpbin/a': write http://host:port/path"),
        (("GET", "http:///a"), "the host is missing"),
        (("GET", "http://httpbin:99999/"), "invalid URL"),
        (("GET", "http://httpbin/", "-H", "x"), "invalid header 'x': write 'name: value'"),
        (("GET", "http://httpbin/", "-H", "x y: z"), "invalid header"),
    ],
)
def test_a_wrong_request_is_one_line(mesh: Path, node: Path, args: tuple[str, ...], message: str):
    assert message in error_line(run("explain", "-f", mesh, "--proxy", node, *args))


def test_a_router_answers_on_the_ports_of_its_gateways():
    case = Path(__file__).parents[2] / "golden" / "gateways"
    https, plain, through = (case / name for name in ("https", "plain", "bytes"))
    lines = explained(https / "input.yaml", https / "node.yaml", "GET", "https://web.example.com:8443/x")
    assert lines["listener"] == ["127.0.0.9_8443 (filter chain 0)"]
    assert lines["virtual host"][0].endswith("(route configuration https.8443.web.edge.default)")
    lines = explained(https / "input.yaml", https / "node.yaml", "GET", "https://stranger.example.com:8443/x")
    assert lines["listener"] == ["none on port 8443: the connection fails"]
    lines = explained(plain / "input.yaml", plain / "node.yaml", "GET", "http://www.redirected.com:8080/x")
    assert lines["route"] == ["redirected to HTTPS by the server; no route applies"]
    lines = explained(plain / "input.yaml", plain / "node.yaml", "GET", "http://web.example.com:8080/x")
    assert lines["copied to"][0].startswith("copy.default.svc.cluster.local")
    lines = explained(through / "input.yaml", through / "node.yaml", "GET", "https://b.through.com:8443/x")
    clusters = ["outbound|443||web.default.svc.cluster.local", "outbound|443|v2|web.default.svc.cluster.local"]
    assert [line.partition(",")[0] for line in lines["sent to"][::2]] == clusters
    assert lines["sent to"][1::2] == [
        f"connections are closed: {clusters[0]} has no healthy endpoint",
        f"connections are closed: cluster {clusters[1]} does not exist",
    ]


def test_udp_has_a_url_scheme_of_its_own():
    case = Path(__file__).parents[2] / "golden" / "gateway_api" / "datagrams"
    lines = explained(case / "input.yaml", case / "node.yaml", "SEND", "udp://edge:8082")
    assert lines["datagrams"] == ["to edge:8082"]
    assert lines["listener"] == ["127.0.0.9_8082_udp"]
    assert [line.partition(", at")[0] for line in lines["sent to"]] == [
        "udp|53||more.default.svc.cluster.local, 50 % of the sessions",
        "NoValidBackend, 50 % of the sessions",
        "sessions are dropped: cluster NoValidBackend does not exist",
    ]
    lines = explained(case / "input.yaml", case / "node.yaml", "SEND", "udp://edge:8085")
    assert lines["listener"] == ["none on port 8085: datagrams are dropped"]
    by_tcp = explained(case / "input.yaml", case / "node.yaml", "GET", "http://edge:8082")
    assert by_tcp["listener"] == ["127.0.0.9_8082 (filter chain 0)"]


def test_the_address_of_a_url_is_the_one_that_is_called_whatever_the_host_header_says(mesh: Path, node: Path):
    node.write_text("{name: sleep, ip: 10.0.0.9, interception: REDIRECT}")
    database = service("database", 5000, "tcp").replace("ports:", 'clusterIP: "fd00::7"\n  ports:')
    (mesh / "database.yaml").write_text(database)
    for arguments in (["http://[FD00:0::7]:5000/"], ["http://database:5000/", "-H", "host: nobody"]):
        assert explained(mesh, node, "GET", *arguments)["listener"] == ["fd00::7_5000 (filter chain 0)"]
