"""The command line as a user meets it: what it prints, how it fails, what it exits with."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mirrorplane.controlplane.playground.manifests import TUTORIAL, local_pod, tutorial
from tests import fast_yaml as yaml
from tests.controlplane.commands.command_line import MIRRORPLANE, error_line, run, run_process


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The tutorial's manifests, with a Pod for each version."""
    manifests = tmp_path / "manifests"
    manifests.mkdir()
    for name in (TUTORIAL[0], TUTORIAL[1]):
        (manifests / name).write_text(tutorial(name))
    for version, port in (("v1", 9001), ("v2", 9002)):
        pod = local_pod(version, "httpbin", {"app": "httpbin", "version": version}, port)
        (manifests / f"{version}.yaml").write_text(pod)
    return manifests


@pytest.fixture
def node(tmp_path: Path) -> Path:
    path = tmp_path / "node.yaml"
    path.write_text("name: sleep\nnamespace: default\nlabels: {app: sleep}\n")
    return path


def test_help_names_every_command():
    result = run_process("--help")
    assert result.returncode == 0
    for command in ("bootstrap", "check", "demo", "explain", "proxies", "render", "serve"):
        assert command in result.stdout


def test_render_prints_what_a_proxy_would_be_served(folder: Path, node: Path):
    result = run_process("render", "-f", folder, "--proxy", node)
    assert result.returncode == 0, result.stderr
    values = yaml.safe_load(result.stdout)
    assert list(values) == ["listeners", "routes", "clusters", "endpoints"]
    assert {r["name"] for r in values["routes"]} == {"8000", "http_proxy"}


@pytest.mark.parametrize("kind", ["listeners", "routes", "clusters", "endpoints"])
def test_render_prints_one_type_as_json(folder: Path, node: Path, kind: str):
    values = json.loads(run("render", "-f", folder, "--proxy", node, "--type", kind, "-o", "json").stdout)
    assert values == yaml.safe_load(run("render", "-f", folder, "--proxy", node, "--type", kind).stdout)
    assert values


def test_render_answers_for_a_version_of_envoy(folder: Path, node: Path):
    def rendered(*args: str) -> str:
        return run("render", "-f", folder, "--proxy", node, "--type", "clusters", *args).stdout

    mirror = [obj for obj in yaml.safe_load_all(tutorial(TUTORIAL[2])) if obj]
    subsets = [obj for obj in yaml.safe_load_all(tutorial(TUTORIAL[1])) if obj and obj["kind"] == "DestinationRule"]
    (folder / TUTORIAL[1]).write_text(yaml.safe_dump_all([*mirror, *subsets]))
    newest, older = rendered(), rendered("--envoy-version", "1.38")
    assert newest == rendered("--envoy-version", "1.40.0")
    assert "envoy.filters.http.body_size_limit" in newest
    assert "envoy.filters.http.body_size_limit" not in older
    node.write_text(f"{node.read_text()}envoy_version: 1.38.3\n")
    assert rendered() == older
    wrong = run("render", "-f", folder, "--proxy", node, "--envoy-version", "new")
    assert wrong.returncode == 2
    assert "'new' is not a version of Envoy" in wrong.stderr


def test_check_is_silent_and_content_with_good_manifests(folder: Path):
    result = run("check", "-f", folder)
    assert (result.returncode, result.stdout) == (0, "")
    assert "7 objects, 0 errors, 0 warnings" in result.stderr


def test_a_folder_without_manifests_is_told_from_a_good_one(tmp_path: Path):
    (tmp_path / "mesh.txt").write_text("kind: Service")
    result = run("check", "-f", tmp_path)
    assert result.returncode == 2
    assert result.stderr == (
        f"Error: no manifest found in {tmp_path}: a file in a folder must end in .yaml, .yml or .json\n"
    )


def test_check_names_file_line_field_and_fix_and_exits_1(folder: Path):
    broken = tutorial(TUTORIAL[2]).replace("subset: v2", "subset: v3")
    (folder / TUTORIAL[1]).write_text(tutorial(TUTORIAL[1]).partition("---")[2] + "---\n" + broken)
    result = run_process("check", "-f", folder)
    assert result.returncode == 1
    line = 1 + (folder / TUTORIAL[1]).read_text().splitlines().index("      subset: v3")
    assert result.stdout.startswith(
        f"{folder / TUTORIAL[1]}:{line}: error MirrorSubsetNotFound [IST0101], VirtualService default/httpb"
    )
    assert "spec.http[0].mirror.subset" in result.stdout
    assert "add the subset v3" in result.stdout


def test_bootstrap_prints_a_bootstrap_that_envoy_understands(tmp_path: Path):
    result = run_process(
        "bootstrap", "--name", "sleep", "--labels", "app=sleep,version=v1", "--ip", "127.0.0.9", "-o", "json"
    )
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["node"]["id"] == "sidecar~127.0.0.9~sleep.default~default.svc.cluster.local"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["check", "-f", "/nonexistent"], "does not exist"),
        (["serve", "-f", ".", "--xds-address", "nonsense"], "'nonsense' is not an address"),
        (["serve", "-f", ".", "--xds-address", "127.0.0.1:99999"], "'99999' is not a port"),
        (["serve", "-f", ".", "--xds-address", "0.0.0.0:15010"], "accept the risk with --insecure"),
        (["serve", "-f", ".", "--xds-address", "0.0.0.0:15010", "--jwks", "k"], "serve TLS (--tls-cert, --tls-key)"),
        (["serve", "-f", ".", "--tls-cert", "c"], "--tls-cert and --tls-key must be used together"),
        (["serve", "-f", ".", "--client-ca", "c"], "--client-ca needs --tls-cert"),
        (["serve", "-f", ".", "--issuer", "i"], "they need --jwks"),
        (["serve", "-f", ".", "--trust-domain", "d"], "has no effect without"),
        (["serve", "-f", ".", "--tls-cert", "/no/c", "--tls-key", "/no/k"], "/no/c: cannot be read"),
        (["serve", "-f", ".", "--tls-cert", __file__, "--tls-key", __file__], "the certificate is not PEM"),
        (["serve", "-f", ".", "--jwks", __file__], "not a JSON Web Key Set with a usable key"),
        (["serve", "-f", ".", "--debounce-quiet", "soon"], "--debounce-quiet: 'soon' is not a duration"),
        (["serve", "-f", ".", "--admin-address", ":15014"], "is not an address"),
        (
            ["check", "-f", ".", "--adopt-controller", "a.b/c"],
            "invalid --adopt-controller 'a.b/c': write",
        ),
        (["bootstrap", "--name", "UPPER"], "UPPER"),
        (["bootstrap", "--name", "a", "--labels", "novalue"], "novalue"),
        (["bootstrap", "--name", "a", "--ip", "not-an-ip"], "not-an-ip"),
        (["bootstrap", "--name", "a", "--xds-address", "x"], "is not an address"),
        (["bootstrap", "--name", "a", "--xds-cert", "c"], "go together: set both --xds-cert and --xds-key"),
        (["bootstrap", "--name", "a", "--token-file", "t"], "need the control plane's CA (--xds-ca)"),
        (["bootstrap", "--name", "a", "--xds-ca", "c", "--secrets-dir", "/no"], "/no/xds-ca.json: cannot be written"),
        (["bootstrap"], "--name"),
        (["bootstrap", "--name", "a", "--admin-port", "99999"], "0<=x<=65535"),
        (["render", "-f", "."], "--proxy"),
        (["render", "-f", ".", "--proxy", "/nonexistent.yaml"], "/nonexistent.yaml: cannot be read"),
        (["nonsense"], "No such command"),
        (["chek"], "No such command 'chek'. Did you mean 'check'?"),
    ],
)
def test_a_wrong_call_is_one_clear_line(args: list[str], message: str, tmp_path: Path):
    assert message in error_line(run(*[str(tmp_path) if a == "." else a for a in args]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: [", "cannot be read"),
        ("namespace: x", "name: required field name is missing (add name)"),
        ("- name", "expected a mapping"),
        ("name: a\nrole: router2", "router2"),
        ("name: a\ncolour: red", "colour: unknown field (known are name, role, "),
        ("name: a\nlabel: {a: b}", "label: unknown field (did you mean labels?)"),
        ("name: a\nip: nowhere", "nowhere"),
        ("name: a\nlabels: {k: 1}", "labels[k]: expected a string, got 1 (write it in quotes)"),
        ("", "expected one YAML document that describes a proxy, found 0"),
        ("name: a\n---\nname: b", "expected one YAML document that describes a proxy, found 2"),
        ("name: " + "[" * 30_000, ":1: cannot be read: nested deeper than 64 levels"),
    ],
)
def test_a_wrong_node_file_is_one_clear_line(folder: Path, tmp_path: Path, text: str, message: str):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    line = error_line(run("render", "-f", folder, "--proxy", path))
    assert str(path) in line
    assert message in line


@contextmanager
def serving(folder: Path, *args: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run `mirrorplane serve` on free ports; yields the process and its admin port."""
    command = [*MIRRORPLANE, "serve", "-f", str(folder), "--xds-address", "127.0.0.1:0", *args]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if "serving xDS" in line:
                break
        yield process, int(line.rpartition(":")[2])
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_serve_answers_on_the_admin_address_and_ends_cleanly_on_sigterm(folder: Path):
    with serving(folder, "--admin-address", "127.0.0.1:0") as (process, port):
        assert get(port, "/healthz") == (200, "ok\n")
        assert get(port, "/readyz") == (200, "ok\n")
        metrics = get(port, "/metrics")[1]
        assert 'mirrorplane_objects{kind="VirtualService"} 1.0' in metrics
        assert "process_resident_memory_bytes" in metrics
        assert json.loads(get(port, "/debug/findings")[1]) == []
        assert json.loads(get(port, "/debug/proxies")[1]) == []
        node = "sidecar~127.0.0.1~a.default~default.svc.cluster.local"
        assert json.loads(get(port, f"/debug/resources?proxy={node}")[1])["routes"]
        status, message = get(port, "/debug/resources?proxy=nonsense")
        assert status == 400
        assert "want role~ip~name.namespace" in message
        assert {
            "object": "VirtualService default/httpbin",
            "kind": "networking.istio.io/VirtualService",
            "generation": 1,
        } in (json.loads(get(port, "/debug/objects")[1]))
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_sighup_does_not_end_serve(folder: Path):
    with serving(folder, "--admin-address", "127.0.0.1:0") as (process, port):
        process.send_signal(signal.SIGHUP)
        path = folder / TUTORIAL[1]
        path.write_text(path.read_text().replace("httpbin", "httpbim"))
        assert until(lambda: "VirtualService default/httpbim" in get(port, "/debug/objects")[1])
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_serve_goes_on_beside_a_name_that_is_not_utf8(folder: Path):
    with serving(folder, "--admin-address", "127.0.0.1:0") as (process, port):
        bad = folder / os.fsdecode(b"\xff.txt")
        bad.write_text("")
        [finding] = until(lambda: json.loads(get(port, "/debug/findings")[1]))
        assert finding["file"].endswith("\\xff.txt")
        assert "not UTF-8" in finding["message"]
        bad.unlink()
        assert until(lambda: json.loads(get(port, "/debug/findings")[1]) == [])
        assert process.poll() is None


def test_serve_reports_findings_as_they_appear_and_when_they_are_resolved(folder: Path):
    with serving(folder, "--admin-address", "127.0.0.1:0") as (_, port):
        valid_text = (folder / TUTORIAL[1]).read_text()
        (folder / TUTORIAL[1]).write_text("kind: [")
        findings = until(lambda: json.loads(get(port, "/debug/findings")[1]))
        assert TUTORIAL[1] in findings[0]["file"]
        (folder / TUTORIAL[1]).write_text(valid_text)
        assert until(lambda: json.loads(get(port, "/debug/findings")[1]) == [])


def until(reached):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if result := reached():
            return result
        time.sleep(0.02)
    raise AssertionError("it never came to be")


@pytest.mark.parametrize("option", ["--xds-address", "--admin-address"])
def test_a_port_that_is_taken_is_one_clear_line(folder: Path, option: str):
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        address = f"127.0.0.1:{occupied.getsockname()[1]}"
        other_option = "--admin-address" if option == "--xds-address" else "--xds-address"
        outcome = run_process("serve", "-f", folder, option, address, other_option, "127.0.0.1:0")
    assert f"cannot listen on {address}" in error_line(outcome)
    assert "add_port.cc" not in outcome.stderr, "gRPC writes a line of its own"


def test_insecure_is_served_with_a_warning(folder: Path):
    command = [*MIRRORPLANE, "serve", "-f", str(folder), "--xds-address", "0.0.0.0:0", "--insecure"]
    with subprocess.Popen([*command, "--admin-address", "127.0.0.1:0"], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        warning = next(line for line in process.stderr if "--insecure" in line or "serving xDS" in line)
        process.kill()
    assert "any client that can reach 0.0.0.0:0 can read the whole configuration" in warning


def test_bootstrap_writes_where_secrets_are_and_none_of_them(tmp_path: Path):
    token = tmp_path / "token"
    token.write_text("eyJ.secret.token")
    files = ["--xds-ca", "ca.pem", "--token-file", token, "--secrets-dir", tmp_path]
    result = run("bootstrap", "--name", "sleep", "-o", "json", *files)
    assert result.returncode == 0, result.stderr
    secret = json.loads((tmp_path / "xds-bearer.json").read_text())["resources"][0]["generic_secret"]["secret"]
    assert secret == {"filename": str(token), "watched_directory": {"path": str(tmp_path)}}
    ca = json.loads((tmp_path / "xds-ca.json").read_text())["resources"][0]["validation_context"]["trusted_ca"]
    assert ca == {"filename": str(Path.cwd() / "ca.pem")}
    assert "secrets" not in json.loads(result.stdout)["static_resources"]


def test_debug_pages_are_off_where_others_could_reach_them(folder: Path):
    with serving(folder, "--admin-address", "0.0.0.0:0") as (_, port):
        assert get(port, "/healthz")[0] == 200
        assert get(port, "/debug/findings")[0] == 404
