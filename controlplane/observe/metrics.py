"""Metrics for Prometheus. One registry, passed around.

Labels are bounded: types that are served, protocol variants, kinds, severities and names of Secrets; nothing that a
proxy can make up.
"""

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mirrorplane.api.resource import PUSH_ORDER
from mirrorplane.controlplane.findings.nacks import short
from mirrorplane.controlplane.grpc_server.refusals import REASONS
from mirrorplane.controlplane.identity.certificates import TlsState
from mirrorplane.controlplane.observe.tls_metrics import TlsCollector
from mirrorplane.controlplane.plane import Plane
from mirrorplane.controlplane.query.versions import this_version

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OTHER = "other"
"""The label of every type that is not served, whatever a proxy calls it."""

# A `_created` time beside each counter: OpenMetrics has a place for it, this format only more series.
disable_created_metrics()  # type: ignore[no-untyped-call]

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_LONG = (*_SECONDS[2:], 30, 60)


class Traffic:
    """The counters of one type. Looked up once, because `labels()` for every push would take longer than counting."""

    def __init__(self, counters: Iterable[Counter], kind: str) -> None:
        self.pushes, self.bytes, self.acks, self.rejects = (counter.labels(kind) for counter in counters)


class Metrics:
    """What is counted as it happens; the other metrics are read from the plane at each scrape."""

    def __init__(self, plane: Plane, server_tls: Callable[[], TlsState] = TlsState) -> None:
        self.registry = CollectorRegistry()
        counters = (
            self._counter("xds_pushes", "Responses written to proxies, by type.", "type"),
            self._counter("xds_push_bytes", "Bytes of responses written to proxies, by type.", "type"),
            self._counter("xds_acks", "Responses proxies accepted, by type.", "type"),
            self._counter("xds_rejects", "Responses proxies rejected, by type.", "type"),
        )
        self._traffic = {type_url: Traffic(counters, short(type_url)) for type_url in PUSH_ORDER}
        self._other = Traffic(counters, OTHER)
        self.proxies = self._gauge("proxies", "Streams of connected proxies, by protocol variant.", "variant")
        self.pending = self._gauge("xds_pending", "Streams with an update pending or not answered yet.")
        about = "Time to write one response; long when a proxy reads slowly."
        self.push_seconds = self._histogram("xds_push_seconds", about, _SECONDS)
        about = "Time from a change being read, before debouncing, until every affected proxy has answered it."
        self.convergence = self._histogram("convergence_seconds", about, _LONG)
        about = "Time from the end of debouncing until every proxy was offered its new resources."
        self.publish = self._histogram("publish_seconds", about, _SECONDS)
        about = "Calls that were refused, by status."
        self._refusals = self._counter("xds_refused", about, "reason")
        for reason in REASONS:
            self._refusals.labels(reason)
        self.failures = self._counter("publish_failures", "Changes that could not be published (a bug).")
        self.connects = self._counter("proxy_connects", "Streams that proxies opened, by protocol variant.", "variant")
        about = "When the last change was published, in seconds since 1970: the state that is served is of this time."
        self.last_publish = self._gauge("last_publish_timestamp_seconds", about)
        version = this_version()
        self._gauge("build_info", "The version that runs; its value is 1.", "version", "python_version").labels(
            version.version, version.python
        ).set(1)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.registry.register(_PlaneCollector(plane))
        self.registry.register(TlsCollector(plane, server_tls))

    def traffic_of(self, type_url: str) -> Traffic:
        """Return the counters of a type."""
        return self._traffic.get(type_url, self._other)

    def count_refusal(self, reason: str) -> None:
        """Count a call that was refused for one of REASONS."""
        self._refusals.labels(reason).inc()

    def text(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self.registry)

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(f"mirrorplane_{name}", about, labels, registry=self.registry)

    def _gauge(self, name: str, about: str, *labels: str) -> Gauge:
        return Gauge(f"mirrorplane_{name}", about, labels, registry=self.registry)

    def _histogram(self, name: str, about: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"mirrorplane_{name}", about, buckets=buckets, registry=self.registry)


class _PlaneCollector(Collector):
    def __init__(self, plane: Plane) -> None:
        self._plane = plane

    def collect(self) -> Iterator[Metric]:
        plane = self._plane
        yield _gauge("mirrorplane_scopes", "Scopes that some proxy uses.", plane.publisher.scopes)
        about = "Scopes that follow after all others, because their clients have many, and are not up to date yet."
        yield _gauge("mirrorplane_scopes_late", about, plane.publisher.late)
        yield _gauge(
            "mirrorplane_failed_resources", "Resources whose last build raised.", len(plane.publisher.failures)
        )
        yield _gauge("mirrorplane_engine_entries", "Answers that the engine has cached.", plane.engine.size)
        yield CounterMetricFamily("mirrorplane_engine_runs", "Functions that the engine ran.", value=plane.engine.runs)
        yield CounterMetricFamily("mirrorplane_engine_hits", "Answers taken from the cache.", value=plane.engine.hits)
        about = "Objects that could not be translated (a bug)."
        yield CounterMetricFamily("mirrorplane_lowering_failures", about, value=plane.engine.failures)
        kinds = Tally(ref.kind.rpartition("/")[2] for ref in plane.snapshot.objects)
        yield _gauges("mirrorplane_objects", "Objects, by kind.", "kind", sorted(kinds.items()))
        severities = Tally(f.severity.value for f in plane.findings.all())
        yield _gauges("mirrorplane_findings", "Findings, by severity.", "severity", sorted(severities.items()))


def _gauge(name: str, about: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, about, value=value)


def _gauges(name: str, about: str, label: str, values: Iterable[tuple[str, int]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, about, labels=[label])
    for key, value in values:
        family.add_metric([key], value)
    return family
