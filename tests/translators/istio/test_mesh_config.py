"""Istio's MeshConfig: read from a text of its ConfigMap, with findings that point into the text."""

import textwrap
from pathlib import Path

import msgspec
import pytest

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.meta import AnyObject
from mirrorplane.api.proxy import REDIRECT
from mirrorplane.api.resource import LISTENER
from mirrorplane.controlplane.configured_sources import file_source
from mirrorplane.controlplane.engine.catalogue import catalogue
from mirrorplane.translators.settings import ISTIOS, mesh
from tests.builders import SLEEP, plane_of, rendered

HEAD = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\n"


def read(folder: Path, text: str) -> tuple[list[AnyObject], list[Finding]]:
    """Read a file of this text; return its objects, and what is said of it."""
    (folder / "a.yaml").write_text(text)
    batch = file_source([folder], catalogue()).rescan()
    return [c.obj for c in batch.changes if c.obj], [f for finding in batch.findings.values() for f in finding]


def block(mesh_text: str) -> str:
    return f"{HEAD}data:\n  mesh: |\n{textwrap.indent(mesh_text, '    ')}"


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        ("connectTimeout: 1s\noutboundTrafficPolicy:\n\n  mode: ALL", "data.mesh.outboundTrafficPolicy.mode", 9),
        ("# first\nproxyHttpPort: 70000", "data.mesh.proxyHttpPort", 7),
        ("dnsRefreshRate: 1ms", "data.mesh.dnsRefreshRate", 6),
        ("dnsRefreshRate: often", "data.mesh.dnsRefreshRate", 6),
        ("connectTimeout: 0s", "data.mesh.connectTimeout", 6),
        ("h2UpgradePolicy: PERHAPS", "data.mesh.h2UpgradePolicy", 6),
        ("pathNormalization: {normalization: ALL}", "data.mesh.pathNormalization.normalization", 6),
        ("defaultServiceExportTo: ['*', a]", "data.mesh.defaultServiceExportTo", 6),
        ("defaultHttpRetryPolicy:\n  attempts: -1", "data.mesh.defaultHttpRetryPolicy.attempts", 7),
        ("tcpKeepalive:\n  time: 1x", "data.mesh.tcpKeepalive.time", 7),
        ("localityLbSetting:\n  failover:\n  - {from: a, to: a}", "data.mesh.localityLbSetting.failover[0]", 8),
        ("proxyHttpPort: many", "data.mesh.proxyHttpPort", 6),
        ("connectTimeout: [", "data.mesh", 5),
        ("- 1", "data.mesh", 5),
    ],
)
def test_a_mistake_refuses_it_and_has_the_line_of_the_field(tmp_path: Path, text: str, path: str, line: int):
    objects, findings = read(tmp_path, block(text))
    assert not objects
    assert [(f.about, f.path, f.line) for f in findings if f.severity is Severity.ERROR] == [(ISTIOS, path, line)]


def test_lines_count_also_in_a_list_and_behind_other_documents(tmp_path: Path):
    listed = "apiVersion: v1\nkind: List\nitems:\n" + textwrap.indent(block("trustDomain: a.b"), "  ").replace(
        "  a", "- a", 1
    )
    _, findings = read(tmp_path, "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\n" + listed)
    assert [(f.path, f.line) for f in findings] == [("data.mesh.trustDomain", 13)]


def test_in_a_text_in_quotes_all_is_on_the_line_of_the_text(tmp_path: Path):
    _, findings = read(tmp_path, HEAD + 'data:\n  mesh: "connectTimeout: 1s\\ntrustDomain: a.b"\n')
    assert [(f.path, f.line) for f in findings] == [("data.mesh.trustDomain", 5)]


def test_no_text_says_nothing_and_in_other_config_maps_it_is_not_looked_for(tmp_path: Path):
    second = HEAD.replace("name: istio,", "name: mine,") + "data: {mesh: 'connectTimeout: ['}\n"
    objects, findings = read(tmp_path, f"{HEAD}---\n{second}")
    assert {obj.ref for obj in objects} == {ISTIOS, msgspec.structs.replace(ISTIOS, kind="ConfigMap", name="mine")}
    assert not findings


async def test_what_is_not_said_is_as_ever():
    plane = await plane_of("")
    plain = mesh(plane.engine.view)
    plane = await plane_of("apiVersion: mirrorplane.io/v1alpha1\nkind: MeshConfig\nmetadata: {name: default}\n")
    assert mesh(plane.engine.view) == plain


@pytest.mark.parametrize(("port", "listens"), [(15080, True), (15001, False), (15006, False)])
async def test_the_http_proxy_leaves_the_ports_of_the_sidecar_alone(tmp_path: Path, port: int, listens: bool):
    """The kernel brings what it intercepts to loopback, where the HTTP proxy would take all of it."""
    kind = "apiVersion: mirrorplane.io/v1alpha1\nkind: MeshConfig\nmetadata: {name: default}\n"
    text = f"{kind}spec: {{proxyHttpPort: {port}}}"
    served = await rendered(text, msgspec.structs.replace(SLEEP, interception=REDIRECT))
    assert (f"127.0.0.1_{port}" in served.of_type(LISTENER)) is listens
    assert f"127.0.0.1_{port}" in (await rendered(text)).of_type(LISTENER)
    assert [results.reason for results in read(tmp_path, text)[1]] == ([] if listens else ["PortTaken"])
