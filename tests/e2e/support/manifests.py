"""Manifests for the tests, and small queries of a stage."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds.istio.destination_rule import DESTINATION_RULE
from mirrorplane.api.kinds.istio.virtual_service import VIRTUAL_SERVICE
from mirrorplane.api.kinds.kube import ENDPOINT_SLICE
from mirrorplane.api.meta import Ref
from mirrorplane.controlplane.playground.manifests import local_pod
from mirrorplane.controlplane.playground.stage import Stage
from tests import fast_yaml as yaml

DEADLINE_S = 180.0
RESEND_S = 2.0
"""How long a copy is waited for before the request is sent again. Envoy drops a copy that cannot connect within 1 s."""

NO_ACCESS_LOG = (
    "apiVersion: mirrorplane.io/v1alpha1\nkind: MeshConfig\nmetadata: {name: default}\n"
    'spec: {accessLogFile: "", localEndpoints: [127.0.0.0/8, "::1/128", localhost, "unix://"]}\n'
)
"""Turns access logs off: they cost CPU, and no test reads them. Workloads run on this machine."""


def join_manifests(*manifests: str) -> str:
    """Join manifests into one file."""
    return "---\n".join(manifests)


def virtual_service(host: str, *rules: Mapping[str, Any]) -> str:
    """A VirtualService named after its host."""
    return _istio("VirtualService", host, {"hosts": [host], "http": list(rules)})


def destination_rule(host: str, subsets: Mapping[str, str]) -> str:
    """A DestinationRule whose subsets are versions: subset name to the value of the label `version`."""
    subset_specs = [{"name": name, "labels": {"version": version}} for name, version in subsets.items()]
    return _istio("DestinationRule", host, {"host": host, "subsets": subset_specs})


LOCAL_ENDPOINTS = ["127.0.0.0/8", "::1/128", "localhost", "unix://"]


def mesh_config(spec: Mapping[str, Any]) -> str:
    """The MeshConfig, without access logs unless the spec says so: workloads run on this machine."""
    settings = {"accessLogFile": "", "localEndpoints": LOCAL_ENDPOINTS, **spec}
    return _text("mirrorplane.io/v1alpha1", "MeshConfig", "default", settings)


def route(*destinations: tuple[str, str, int]) -> list[dict[str, Any]]:
    """The `route` of a rule: (host, subset, weight) each; an empty subset is none."""
    return [
        {"destination": {"host": host, **({"subset": subset} if subset else {})}, "weight": weight}
        for host, subset, weight in destinations
    ]


def versions(service: str, ports: Sequence[int], port_name: str = "http") -> str:
    """Pods v1, v2 ... of a service, on these ports of this machine."""
    return join_manifests(
        *(
            local_pod(f"{service}-v{i}", service, {"app": service, "version": f"v{i}"}, port, port_name)
            for i, port in enumerate(ports, 1)
        )
    )


def slice_of(pod: str) -> Ref:
    """The EndpointSlice of a `local_pod`."""
    return Ref(ENDPOINT_SLICE.key, "default", pod)


def virtual_service_of(host: str) -> Ref:
    return Ref(VIRTUAL_SERVICE.key, "default", host)


def destination_rule_of(host: str) -> Ref:
    return Ref(DESTINATION_RULE.key, "default", host)


def findings(stage: Stage) -> tuple[Finding, ...]:
    """The findings about objects: those about an older Envoy are the same in every test that runs one."""
    return tuple(f for f in stage.app.plane.findings.all() if f.reason != "EnvoyFeatureMissing")


def nack_messages(stage: Stage) -> list[str]:
    """The messages of all NACKs in effect."""
    return [f"{t.type_url}: {t.nack}" for s in stage.app.xds.statuses() for t in s.types if t.nack]


async def until(reached: Callable[[], bool], what: str, seconds: float = DEADLINE_S) -> None:
    """Wait until a condition holds. Fails with `what` after a generous deadline."""
    clock = asyncio.get_running_loop()
    deadline = clock.time() + seconds
    while not reached():
        assert clock.time() < deadline, f"waited {seconds:g} s for: {what}"
        await asyncio.sleep(0.01)


async def until_copied(send: Callable[[], Awaitable[None]], copied: Callable[[], bool]) -> None:
    """Send a request, again and again, until its copy arrived: on a busy machine copies may be dropped.

    Fails after a generous deadline.
    """
    clock = asyncio.get_running_loop()
    deadline = clock.time() + DEADLINE_S
    while not copied():
        assert clock.time() < deadline, f"no copy arrived in {DEADLINE_S:g} s"
        await send()
        with suppress(AssertionError):
            await until(copied, "a copy", RESEND_S)


def _istio(kind: str, name: str, spec: Mapping[str, Any]) -> str:
    return _text("networking.istio.io/v1", kind, name, spec)


def _text(version: str, kind: str, name: str, spec: Mapping[str, Any]) -> str:
    manifest = {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": dict(spec)}
    text: str = yaml.safe_dump(manifest, sort_keys=False)
    return text
