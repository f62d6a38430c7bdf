"""`mirrorplane check` as scripts and CI systems meet it: formats, exit codes, standard input, drafts."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from mirrorplane.controlplane.playground.manifests import service
from tests.controlplane.commands.command_line import Outcome, run
from tests.e2e.support.manifests import join_manifests, route, virtual_service

WEB = service("web", 8000)
BROKEN = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [web]
  http:
  - route:
    - destination: {host: web}
    timeout: 5
    mirrorPercentage: 50
    mirror: {host: next.default}
    match:
    - uri: {regex: "("}
"""
DEPLOYMENT = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n"


def check(*args: object, stdin: str = "") -> Outcome:
    return run("check", *args, stdin=stdin)


@pytest.fixture
def web(tmp_path: Path) -> Path:
    (tmp_path / "web.yaml").write_text(WEB)
    return tmp_path


def test_standard_input_is_read_beside_folders(web: Path):
    result = check("-f", "-", "-f", web, stdin=virtual_service("web", {"route": route(("webb", "", 1))}))
    assert result.returncode == 1
    assert result.stdout.startswith("stdin:")
    assert "no service webb.default" in result.stdout
    assert "2 objects, 1 error, 0 warnings" in result.stderr


def test_three_mistakes_take_one_round(web: Path):
    lines = check("-f", "-", "-f", web, stdin=join_manifests(BROKEN, service("next", 8000))).stdout.splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["stdin:9", "stdin:10", "stdin:11", "stdin:13"]
    assert lines[0].endswith('spec.http[0].timeout: expected a duration string such as "5s", got 5 (write 5s)')
    assert lines[1].endswith("spec.http[0].mirrorPercentage: expected a mapping, got 50 (write {value: 50})")
    assert "MirrorHostNotFound [IST0101]" in lines[2]
    assert lines[2].endswith("(write next.default.svc.cluster.local: names with dots are not completed)")
    assert "spec.http[0].match[0].uri: the regex is not valid RE2" in lines[3]


def test_what_refers_to_an_object_that_is_rejected_is_not_reported_as_well(web: Path):
    (web / "web.yaml").write_text(WEB.replace("port: 8000", "port: eight"))
    result = check("-f", web, "-f", "-", stdin=virtual_service("web", {"route": route(("web", "", 1))}))
    assert [line.split()[2] for line in result.stdout.splitlines()] == ["InvalidField,"]


def test_a_draft_causes_no_finding_about_another_object(web: Path):
    """The older of two rules for a host takes precedence; one that is rejected takes none from the other."""
    created = "creationTimestamp: '{}-01-01T00:00:00Z'"
    rule = virtual_service("web", {"route": route(("web", "", 1))})
    newer = rule.replace("name: web", f"name: newer\n  {created.format(2021)}", 1)
    older = BROKEN.replace("{name: web}", f"{{name: older, {created.format(2019)}}}")
    result = check("-f", web, "-f", "-", stdin=join_manifests(newer, older))
    assert "VirtualService default/older" in result.stdout
    assert "VirtualService default/newer" not in result.stdout


def test_a_misspelt_kind_is_an_error(web: Path):
    manifest = virtual_service("web", {"route": route(("web", "", 1))}).replace("VirtualService", "VirtualSerivce")
    result = check("-f", "-", "-f", web, stdin=manifest)
    assert result.returncode == 1
    assert "(did you mean VirtualService?)" in result.stdout


@pytest.mark.parametrize(
    ("stdin", "message"),
    [
        ("", "no manifest found in stdin"),
        (DEPLOYMENT, "no object of a supported kind in stdin; ignored, not of a supported kind: 1 apps/Deployment"),
    ],
)
def test_reading_nothing_is_not_success(stdin: str, message: str):
    result = check("-f", "-", stdin=stdin)
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1].startswith(f"Error: {message}")


def test_a_service_whose_pods_only_a_cluster_would_make_is_explained(web: Path):
    result = check("-f", web, "-f", "-", stdin=DEPLOYMENT)
    assert result.returncode == 0
    assert "note: no Pod here has the labels that Service default/web selects: only a cluster makes" in result.stderr
    assert "note:" not in check("-f", web).stderr


AMBIGUOUS = service("web", 8000).replace("name: http", "name: odd")


@pytest.mark.parametrize(
    ("args", "code", "summary"),
    [
        ([], 0, "1 object, 0 errors, 1 warning"),
        (["--fail-on", "warning"], 1, "1 object, 0 errors, 1 warning"),
        (["--fail-on", "warning", "--ignore", "PortNameUnclear"], 0, "0 warnings, 1 suppressed"),
        (["--fail-on", "warning", "--ignore", "IST0118"], 0, "0 warnings, 1 suppressed"),
        (["--ignore", "PortNameUnclaer"], 0, "--ignore PortNameUnclaer: no finding has this code"),
        (["-n", "default", "--fail-on", "warning"], 1, "1 warning"),
        (["-n", "shop", "--fail-on", "warning"], 0, "0 warnings"),
        (["-n", "shop", "-A", "--fail-on", "warning"], 1, "1 warning"),
    ],
)
def test_severity_codes_and_namespaces_decide_the_exit_code(args: list[str], code: int, summary: str):
    result = check("-f", "-", *args, stdin=AMBIGUOUS)
    assert result.returncode == code
    assert summary in result.stderr


def test_json_has_the_rows_of_the_admin_api(web: Path):
    answer = json.loads(check("-f", "-", "-f", web, "-o", "json", stdin=BROKEN).stdout)
    assert (answer["objects"], answer["errors"], answer["warnings"]) == (1, 4, 0)
    mirror = next(row for row in answer["findings"] if row["code"] == "IST0101")
    assert (
        mirror.items()
        >= {
            "severity": "error",
            "reason": "MirrorHostNotFound",
            "object": "VirtualService default/web",
            "path": "spec.http[0].mirror.host",
            "file": "stdin",
            "line": 11,
        }.items()
    )


def test_github_shows_findings_at_their_lines(tmp_path: Path):
    (tmp_path / "a,b.yaml").write_text(AMBIGUOUS)
    [line] = check("-f", tmp_path, "-o", "github").stdout.splitlines()
    head, _, text = line.removeprefix("::").partition("::")
    assert head == f"warning file={tmp_path}/a%2Cb.yaml,line=7,title=PortNameUnclear [IST0118]"
    assert text.startswith("Service default/web, spec.ports[0].name: port name odd has no protocol prefix")


def test_sarif_has_a_rule_a_place_and_a_stable_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    fingerprints = []
    for prefix in ("", "# a comment\n"):
        (tmp_path / "a b.yaml").write_text(prefix + AMBIGUOUS)
        [run] = json.loads(check("-f", tmp_path, "-o", "sarif").stdout)["runs"]
        [result] = run["results"]
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == "PortNameUnclear"
        [location] = result["locations"]
        place = location["physicalLocation"]
        assert place == {"artifactLocation": {"uri": "a%20b.yaml"}, "region": {"startLine": 7 + bool(prefix)}}
        assert result["level"] == "warning"
        fingerprints.append(result["partialFingerprints"])
    assert fingerprints[0] == fingerprints[1]


def test_junit_counts_what_fails_and_is_never_empty(web: Path):
    suites = ET.fromstring(check("-f", "-", "-f", web, "-o", "junit", stdin=BROKEN).stdout)
    assert (suites.get("tests"), suites.get("failures")) == ("4", "4")
    failures = suites.findall("testsuite[@name='stdin']/testcase/failure")
    assert len(failures) == 4
    assert "write {value: 50}" in (failures[1].text or "")
    good = ET.fromstring(check("-f", web, "-o", "junit").stdout)
    assert (good.get("tests"), good.get("failures"), len(good.findall("testsuite/testcase"))) == ("1", "0", 1)
    warned = ET.fromstring(check("-f", "-", "-o", "junit", stdin=AMBIGUOUS).stdout)
    assert (warned.get("failures"), len(warned.findall("testsuite/testcase/system-out"))) == ("0", 1)


@pytest.mark.parametrize("output", ["text", "github", "junit"])
def test_text_of_a_manifest_forges_no_line(tmp_path: Path, output: str):
    manifest = 'apiVersion: networking.istio.io/v1\nkind: "X\\n::error::forged\\e[31m"\nmetadata: {name: x}\n'
    result = check("-f", "-", "-o", output, stdin=manifest)
    assert not [line for line in result.stdout.splitlines() if line.startswith("::error::forged")]
    assert "\x1b" not in result.stdout
