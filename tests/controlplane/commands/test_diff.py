"""`mirrorplane diff`: what proxies would get, and which requests change. See decision 0137."""

import json
from pathlib import Path

import pytest

from mirrorplane.controlplane.playground.manifests import service
from tests.controlplane.commands.command_line import Outcome, run
from tests.e2e.support.manifests import destination_rule, join_manifests, route, versions, virtual_service

SERVICES = join_manifests(
    service("web", 8000), versions("web", [9001, 9002]), destination_rule("web", {"v1": "v1", "v2": "v2"})
)
V1, V2 = {"route": route(("web", "v1", 1))}, {"route": route(("web", "v2", 1))}
MIRRORED = {**V1, "mirror": {"host": "web", "subset": "v2"}}
ME = {"match": [{"headers": {"x-user": {"exact": "me"}}, "uri": {"prefix": "/a"}}], **V2}


def diff(tmp_path: Path, before: dict | tuple, after: dict | tuple, *args: str) -> Outcome:
    for name, rules in (("before", before), ("after", after)):
        (tmp_path / name).mkdir(exist_ok=True)
        rule_list = rules if isinstance(rules, tuple) else (rules,)
        (tmp_path / name / "mesh.yaml").write_text(join_manifests(SERVICES, virtual_service("web", *rule_list)))
    return run("diff", "-f", tmp_path / "after", "--against", tmp_path / "before", *args)


def requests_in(outcome: Outcome) -> dict[str, list[str]]:
    """The lines below each request of the first proxy."""
    lines: dict[str, list[str]] = {}
    for line in outcome.stdout.splitlines():
        if line.startswith("  GET "):
            lines[line.strip()] = []
        elif line.startswith("    "):
            lines[next(reversed(lines))].append(" ".join(line.split()).partition(", through")[0])
    return lines


def test_no_difference_is_0(tmp_path: Path):
    outcome = diff(tmp_path, V1, V1)
    assert (outcome.returncode, outcome.stdout) == (0, "")
    assert outcome.stderr == "proxies compared: 1, affected: 0; sampled requests that change: 0\n"


def test_a_mirror_that_is_added_shows_at_the_requests_that_are_copied(tmp_path: Path):
    outcome = diff(tmp_path, V1, MIRRORED)
    assert outcome.returncode == 1
    requests = requests_in(outcome)
    request = "GET http://web:8000/"
    assert requests[request][0].startswith(
        "+ copied to web.default.svc.cluster.local:8000, subset v2: 100 % of the requests, Host web-shadow"
    )
    assert "  + clusters mirror|8000|v2|web.default.svc.cluster.local" in outcome.stdout.splitlines()
    assert "  ~ routes 8000" in outcome.stdout.splitlines()


def test_a_rule_for_some_requests_changes_those_and_no_others(tmp_path: Path):
    requests = requests_in(diff(tmp_path, V1, (ME, V1)))
    expected = "GET http://web:8000/a -H 'x-user: me'"
    assert set(requests) == {expected, f"{expected} (by the HTTP proxy)"}
    for lines in requests.values():
        assert lines == [
            "- sent to web.default.svc.cluster.local:8000, subset v1",
            "+ sent to web.default.svc.cluster.local:8000, subset v2",
        ]


def test_a_rule_that_is_moved_behind_one_that_hides_it_changes_requests(tmp_path: Path):
    outcome = diff(tmp_path, (ME, V1), (V1, ME))
    assert any("/a -H 'x-user: me'" in request for request in requests_in(outcome))


def test_a_rule_that_only_changes_its_place_changes_no_request(tmp_path: Path):
    other = {"match": [{"uri": {"prefix": "/b"}}], **V1}
    first = {"match": [{"uri": {"prefix": "/a"}}], **V1}
    outcome = diff(tmp_path, (first, other, V2), (other, first, V2))
    assert outcome.returncode == 1
    assert requests_in(outcome) == {}
    assert "  no sampled request is affected" in outcome.stdout.splitlines()


def test_the_formats(tmp_path: Path):
    [difference] = json.loads(diff(tmp_path, V1, {**V1, "timeout": "5s"}, "-o", "json").stdout)
    assert difference["proxy"] == "any-workload.default"
    assert {r["change"] for r in difference["resources"]} == {"changed"}
    assert {line for r in difference["requests"] for line in r["after"]} == {"timeout       5000 ms"}
    text = diff(tmp_path, V1, {**V1, "timeout": "5s"}, "-o", "unified").stdout
    assert "+++ after/any-workload.default/routes/8000" in text
    assert [line for line in text.splitlines() if line.startswith("+ ") and line.endswith("timeout: 5s")]


def test_a_router_of_each_gateway_is_compared(tmp_path: Path):
    golden = Path(__file__).parents[2] / "golden" / "gateways" / "plain" / "input.yaml"
    (tmp_path / "after.yaml").write_text(golden.read_text().replace("value: 10}", "value: 20}"))
    outcome = run("diff", "-f", tmp_path / "after.yaml", "--against", golden)
    assert outcome.returncode == 1
    assert outcome.stdout.startswith("proxies first.default, second.default (router default)\n")
    assert any("web.example.com:8080" in request for request in requests_in(outcome))
    assert run("diff", "-f", tmp_path / "after.yaml", "--against", golden, "-n", "elsewhere").returncode == 0


def test_a_named_proxy_is_compared_alone(tmp_path: Path):
    node = tmp_path / "node.yaml"
    node.write_text("{name: sleep, namespace: shop}")
    outcome = diff(tmp_path, V1, V2, "--proxy", str(node))
    assert [line for line in outcome.stdout.splitlines() if line.startswith("proxy ")] == [
        "proxy sleep.shop (sidecar shop)"
    ]


@pytest.mark.parametrize("args", [("-f", "-"), ("-f", "-", "--against", "/nonexistent")])
def test_what_cannot_be_compared_is_2(args: tuple[str, ...]):
    assert run("diff", *args, stdin="").returncode == 2


def test_proxies_for_which_the_same_differs_are_one_paragraph(tmp_path: Path):
    nodes = []
    for name, address in (("a", "127.0.0.2"), ("b", "127.0.0.3")):
        (tmp_path / f"{name}.yaml").write_text(f"{{name: {name}, ip: {address}}}")
        nodes += ["--proxy", str(tmp_path / f"{name}.yaml")]
    outcome = diff(tmp_path, V1, V2, *nodes)
    headings = [line for line in outcome.stdout.splitlines() if line.startswith("prox")]
    assert headings == ["proxies a.default, b.default (sidecar default)"]
