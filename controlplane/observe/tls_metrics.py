"""Metrics of TLS, read at each scrape: handshakes with the server, and when its certificates and Secrets' expire.

gRPC does not tell Python which handshakes fail. See decision 0143.
"""

from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mirrorplane.api.kinds.secret import SECRET
from mirrorplane.controlplane.identity.certificates import TlsState
from mirrorplane.controlplane.plane import Plane
from mirrorplane.translators.secrets.pem import first_expiry


class TlsCollector(Collector):
    """Reports notAfter in seconds since 1970, as Prometheus wants times. Of several certificates the first counts."""

    def __init__(self, plane: Plane, server_tls: Callable[[], TlsState]) -> None:
        self._plane, self._server_tls = plane, server_tls

    def collect(self) -> Iterator[Metric]:
        """See Collector."""
        server = self._server_tls()
        about = "TLS handshakes that connections to the xDS address began, also those that failed."
        yield CounterMetricFamily("mirrorplane_tls_handshakes", about, value=server.handshakes)
        about = "When the control plane's certificate, and the first of the CAs of its clients, expire."
        family = GaugeMetricFamily("mirrorplane_certificate_expiry_timestamp_seconds", about, labels=["certificate"])
        for name, expiry in server.expiries.items():
            family.add_metric([name], expiry)
        yield family
        about = "When the first certificate of a Secret expires."
        name = "mirrorplane_secret_certificate_expiry_timestamp_seconds"
        secrets = GaugeMetricFamily(name, about, labels=["namespace", "name"])
        for labels, expiry in self._secret_expiries():
            secrets.add_metric(labels, expiry)
        yield secrets

    def _secret_expiries(self) -> Iterator[tuple[tuple[str, str], float]]:
        view = self._plane.engine.view
        for ref in sorted(ref for ref in self._plane.snapshot.objects if ref.kind == SECRET.key):
            for credential in view.lowered(ref).credentials:
                # A generic Secret without a certificate may have an entry `cacert` that is none.
                if (expiry := first_expiry(credential.chain or credential.ca)) is not None:
                    yield (ref.namespace, ref.name), expiry
