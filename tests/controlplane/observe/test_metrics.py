"""Metrics: what is counted, under which names and labels, and that nobody from outside can add to the labels."""

import platform

import pytest

from mirrorplane import __version__
from mirrorplane.api.proxy import Proxy
from mirrorplane.api.resource import CLUSTER, PUSH_ORDER
from mirrorplane.controlplane.feed import PlaneFeed
from mirrorplane.controlplane.observe.metrics import OTHER, Metrics
from mirrorplane.controlplane.plane import Plane
from tests.builders import SLEEP, plane_of

WORLD = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{name: http, port: 80}]}
"""


@pytest.fixture
async def plane() -> Plane:
    return await plane_of(WORLD)


@pytest.fixture
def metrics(plane: Plane) -> Metrics:
    return Metrics(plane)


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"mirrorplane_{name}", labels)


async def test_every_metric_that_people_look_for_is_there_from_the_start(metrics: Metrics):
    text = metrics.text().decode()
    for name in (
        "xds_pending",
        "xds_push_seconds_bucket",
        "convergence_seconds_bucket",
        "publish_seconds_bucket",
        "engine_runs_total",
        "engine_hits_total",
        "lowering_failures_total",
        "publish_failures_total",
        "scopes",
    ):
        assert f"\nmirrorplane_{name}" in text
    for name in ("xds_pushes", "xds_push_bytes", "xds_acks", "xds_rejects"):
        assert value(metrics, f"{name}_total", type="Cluster") == 0
    assert "\nprocess_resident_memory_bytes " in text
    assert (
        f'\nmirrorplane_build_info{{python_version="{platform.python_version()}",version="{__version__}"}} 1.0' in text
    )
    assert "_created" not in text
    help_texts = [line for line in text.splitlines() if line.startswith("# HELP mirrorplane_")]
    assert [line for line in help_texts if not line.endswith(".")] == []


async def test_connects_are_counted_by_variant(plane: Plane, metrics: Metrics):
    feed = PlaneFeed(plane, metrics)
    for variant in ("delta", "delta", "sotw"):
        feed.attach(SLEEP, lambda _: None, variant).leave()
    assert (value(metrics, "proxy_connects_total", variant="delta"), value(metrics, "proxies", variant="delta")) == (
        2,
        0,
    )


async def test_pushes_are_counted_by_type_with_their_bytes_and_time(plane: Plane, metrics: Metrics):
    link = PlaneFeed(plane, metrics).attach(SLEEP, lambda _: None, "sotw")
    link.pushed(CLUSTER, 100, 0.002)
    link.pushed(CLUSTER, 23, 0.3)
    link.pushed("", 1, 0.0)
    assert value(metrics, "xds_pushes_total", type="Cluster") == 2
    assert value(metrics, "xds_push_bytes_total", type="Cluster") == 123
    assert value(metrics, "xds_pushes_total", type=OTHER) == 1
    assert value(metrics, "xds_push_seconds_bucket", le="0.0025") == 2
    assert value(metrics, "xds_push_seconds_count") == 3


async def test_connected_proxies_are_counted_by_variant(plane: Plane, metrics: Metrics):
    feed = PlaneFeed(plane, metrics)
    links = [feed.attach(Proxy("sidecar", "a", "default"), lambda _: None, variant) for variant in ("sotw", "delta")]
    links.append(feed.attach(SLEEP, lambda _: None, "delta"))
    assert (value(metrics, "proxies", variant="sotw"), value(metrics, "proxies", variant="delta")) == (1, 2)
    for link in links:
        link.leave()
    assert (value(metrics, "proxies", variant="sotw"), value(metrics, "proxies", variant="delta")) == (0, 0)


async def test_every_type_that_is_served_has_a_label_and_all_others_share_one(metrics: Metrics):
    assert len({id(metrics.traffic_of(type_url)) for type_url in PUSH_ORDER}) == len(PUSH_ORDER)
    assert metrics.traffic_of("type.googleapis.com/a") is metrics.traffic_of("type.googleapis.com/b")


async def test_engine_runs_are_those_of_the_engine(plane: Plane, metrics: Metrics):
    await plane.rendered(SLEEP)
    assert value(metrics, "engine_runs_total") == plane.engine.runs > 0
    assert value(metrics, "engine_hits_total") == plane.engine.hits
    assert value(metrics, "objects", kind="Service") == 1
