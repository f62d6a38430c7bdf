"""Metrics for Prometheus. One registry, passed around; labels are bounded: types, kinds and severities only."""

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from controlplane.plane import Plane

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """What is counted as it happens; the rest is read from the plane when somebody asks."""

    def __init__(self, plane: Plane, proxies: Callable[[], int]) -> None:
        self.registry = CollectorRegistry()
        self.acks = Counter(
            "mirrorplane_xds_acks", "Responses proxies accepted, by type.", ["type"], registry=self.registry
        )
        self.rejects = Counter(
            "mirrorplane_xds_rejects", "Responses proxies rejected, by type.", ["type"], registry=self.registry
        )
        self.publish = Histogram(
            "mirrorplane_publish_seconds",
            "Time from a change to its sets being offered to every proxy.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.failures = Counter(
            "mirrorplane_publish_failures", "Changes that could not be published (a bug).", registry=self.registry
        )
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.registry.register(_PlaneCollector(plane, proxies))

    def text(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self.registry)


class _PlaneCollector(Collector):
    def __init__(self, plane: Plane, proxies: Callable[[], int]) -> None:
        self._plane, self._proxies = plane, proxies

    def collect(self) -> Iterator[Metric]:
        plane = self._plane
        yield _gauge("mirrorplane_proxies", "Streams of connected proxies.", self._proxies())
        yield _gauge("mirrorplane_scopes", "Scopes that some proxy uses.", plane.publisher.scopes)
        yield _gauge(
            "mirrorplane_failed_resources", "Resources whose last build raised.", len(plane.publisher.failures)
        )
        yield _gauge("mirrorplane_engine_entries", "Answers the engine remembers.", plane.engine.size)
        yield CounterMetricFamily("mirrorplane_engine_runs", "Functions the engine ran.", value=plane.engine.runs)
        yield CounterMetricFamily("mirrorplane_engine_hits", "Answers the engine had.", value=plane.engine.hits)
        about = "Objects whose meaning could not be computed (a bug)."
        yield CounterMetricFamily("mirrorplane_lowering_failures", about, value=plane.engine.failures)
        kinds = Tally(ref.kind.rpartition("/")[2] for ref in plane.snapshot.objects)
        yield _gauges("mirrorplane_objects", "Objects, by kind.", "kind", sorted(kinds.items()))
        severities = Tally(f.severity.value for f in plane.findings())
        yield _gauges("mirrorplane_findings", "Findings, by severity.", "severity", sorted(severities.items()))


def _gauge(name: str, about: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, about, value=value)


def _gauges(name: str, about: str, label: str, values: Iterable[tuple[str, int]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, about, labels=[label])
    for key, value in values:
        family.add_metric([key], value)
    return family
