"""A selector that selects nobody is reported where its namespace has workloads, and only there."""

import pytest

from tests.builders import plane_of

POD = """
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop, labels: {app: web, version: v1}}
spec: {containers: []}
"""
ENTRY = """
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: vm, namespace: shop, labels: {app: vm}}
spec: {address: 10.0.0.7, labels: {version: v2}}
"""
SIDECAR = """
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: own, namespace: shop}
spec: {workloadSelector: {labels: LABELS}, egress: [{hosts: ["./*"]}]}
"""
POLICY = """
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: closed, namespace: shop}
spec: {selector: {matchLabels: LABELS}}
"""
FILTER = """
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: patch, namespace: shop}
spec: {workloadSelector: {labels: LABELS}, configPatches: []}
"""
REASONS = {SIDECAR: "NoWorkloadSelected", POLICY: "NoMatchingWorkloads", FILTER: "NoMatchingWorkloads"}


async def reported(*texts: str) -> list[str]:
    plane = await plane_of("".join(texts))
    return [finding.reason for finding in plane.findings.all() if finding.reason in REASONS.values()]


@pytest.mark.parametrize(("text", "reason"), REASONS.items(), ids=["Sidecar", "AuthorizationPolicy", "EnvoyFilter"])
@pytest.mark.parametrize("labels", ["{app: gone}", "{app: web, version: v2}"])
async def test_a_selector_whose_labels_no_workload_has_together_selects_nobody(text: str, reason: str, labels: str):
    assert await reported(text.replace("LABELS", labels), POD, ENTRY) == [reason]


@pytest.mark.parametrize("text", REASONS, ids=["Sidecar", "AuthorizationPolicy", "EnvoyFilter"])
@pytest.mark.parametrize("labels", ["{app: web}", "{app: web, version: v1}", "{app: vm, version: v2}"])
async def test_pods_without_address_and_labels_of_both_places_of_a_workload_entry_count(text: str, labels: str):
    assert await reported(text.replace("LABELS", labels), POD, ENTRY) == []


@pytest.mark.parametrize("text", REASONS, ids=["Sidecar", "AuthorizationPolicy", "EnvoyFilter"])
async def test_where_the_manifests_have_no_workloads_of_the_namespace_nothing_is_reported(text: str):
    elsewhere = POD.replace("namespace: shop", "namespace: other")
    assert await reported(text.replace("LABELS", "{app: gone}"), elsewhere) == []
