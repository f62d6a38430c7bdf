"""What a service brings to the gRPC server: a name, its methods, and a way to end its calls.

Services know neither TLS nor who is refused, and the server knows no service.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from mirrorplane.controlplane.grpc_server.call import Call

Method = Callable[[Call], Awaitable[None]]
"""Serves one admitted call until it returns, which ends the call with status OK.

It reads and writes messages as bytes. All four shapes of gRPC methods are served so, for on the wire they differ only
in how many messages come: a unary method reads one and writes one; a client-streaming one reads to the end first.
"""


class Service(Protocol):
    """A gRPC service.

    xDS registers ADS and one service per type (`controlplane/xds/services.py`). Telemetry from proxies has the same
    form: OTLP (`opentelemetry.proto.collector.metrics.v1.MetricsService`, unary `Export`), access logs
    (`envoy.service.accesslog.v3.AccessLogService`, client-streaming `StreamAccessLogs`) and load reports
    (`envoy.service.load_stats.v3.LoadReportingService`, `StreamLoadStats`) each register one more.
    """

    @property
    def name(self) -> str:
        """The full name: `envoy.service.discovery.v3.AggregatedDiscoveryService`."""

    @property
    def methods(self) -> Mapping[str, Method]:
        """The methods by name."""

    def close(self) -> None:
        """End all calls soon, so that proxies go to another replica. The server stops."""
