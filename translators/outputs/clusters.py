"""Clusters: one for each port and subset of each visible service, and a guarded one for each target of a mirror."""

from api.mesh import MeshSettings, Port, Protocol, Resolution, Service
from api.proxy import Scope
from api.resource import CLUSTER, Resource
from api.view import View
from translators import envoy, visible
from translators.contract import Output
from translators.lookups import live_clusters, mesh, port_of
from translators.names import BLACK_HOLE, MIRROR, PASSTHROUGH, ClusterName, outbound, parse_cluster
from translators.outputs.routes import configurations
from translators.parts import discovery, mirrors
from translators.parts.virtual_hosts import on_port

_UPSTREAM_HTTP = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_NO_LIMIT = (1 << 32) - 1


def clusters(view: View, scope: Scope) -> tuple[str, ...]:
    """Return the names: live ones, Istio's two fixed ones, and one for each target that a route in use copies to."""
    live = [
        name
        for host in view.memo(visible.hosts, scope.namespace)
        for name in view.memo(live_clusters, scope.namespace, host)
    ]
    ports = [int(name) for name in view.memo(configurations, scope) if name.isdigit()]
    copies = {name for port in ports for name in view.memo(_copied_to, scope, port)}
    return (*live, *sorted(copies), PASSTHROUGH, BLACK_HOLE)


def build(view: View, scope: Scope, name: str) -> Resource | None:
    """Return one cluster."""
    if name in {PASSTHROUGH, BLACK_HOLE}:
        return view.memo(_fixed, name)
    asked = parse_cluster(name)
    return view.memo(_cluster, scope.namespace, asked) if asked else None


def _cluster(view: View, namespace: str, asked: ClusterName) -> Resource | None:
    service = view.memo(visible.service, namespace, asked.host)
    port = port_of(service, asked.port) if service else None
    if service is None or port is None:
        return None
    settings, live = view.memo(mesh), outbound(asked.host, asked.port, asked.subset)
    body, http = _plain(str(asked), settings), _http(port)
    if asked.direction == MIRROR:
        mirrors.guard(body, http, settings.guards)
    if not discovery.fill(view, namespace, body, service, port):
        return None
    if asked.direction == MIRROR or port.protocol is not Protocol.TCP:
        body.typed_extension_protocol_options[_UPSTREAM_HTTP].CopyFrom(envoy.packed(http))
    _describe(body, asked, service)
    uses = (live,) if service.resolution is Resolution.ENDPOINTS else ()
    return envoy.resource(CLUSTER, str(asked), envoy.encode(body), uses)


def _plain(name: str, settings: MeshSettings) -> envoy.Cluster:
    limit = envoy.UInt32Value(value=_NO_LIMIT)
    body = envoy.Cluster(
        name=name, alt_stat_name=f"{name};", connect_timeout=envoy.duration(settings.connect_timeout_ms)
    )
    body.circuit_breakers.thresholds.add(
        max_connections=limit, max_pending_requests=limit, max_requests=limit, max_retries=limit
    )
    body.lb_policy = envoy.Cluster.LEAST_REQUEST
    # Unready endpoints are sent as unhealthy, so Envoy must not fall back to them when all are (Istio).
    body.common_lb_config.healthy_panic_threshold.value = 0
    return body


def _http(port: Port) -> envoy.UpstreamHttp:
    """Return how HTTP is spoken to a port: as it says, or as the client does where it does not say."""
    said = envoy.UpstreamHttp()
    if port.protocol is Protocol.HTTP2:
        said.explicit_http_config.http2_protocol_options.SetInParent()
    elif port.protocol is Protocol.AUTO:
        said.use_downstream_protocol_config.http_protocol_options.SetInParent()
        said.use_downstream_protocol_config.http2_protocol_options.SetInParent()
    else:
        said.explicit_http_config.http_protocol_options.SetInParent()
    return said


def _describe(body: envoy.Cluster, asked: ClusterName, service: Service) -> None:
    """Say in the configuration itself what a cluster is (Istio's metadata)."""
    said = {"services": [{"host": service.host, "name": service.ref.name, "namespace": service.namespace}]}
    body.metadata.filter_metadata["istio"].update({**said, "subset": asked.subset} if asked.subset else said)


def _fixed(_: View, name: str) -> Resource:
    body = envoy.Cluster(name=name, connect_timeout=envoy.duration(MeshSettings().connect_timeout_ms))
    if name == PASSTHROUGH:
        body.type = envoy.Cluster.ORIGINAL_DST
        body.lb_policy = envoy.Cluster.CLUSTER_PROVIDED
    else:
        body.type = envoy.Cluster.STATIC
    return envoy.resource(CLUSTER, name, envoy.encode(body))


def _copied_to(view: View, scope: Scope, port: int) -> tuple[str, ...]:
    return tuple(sorted({name for host in view.memo(on_port, scope, port) for name in host.copies}))


OUTPUT = Output(CLUSTER, clusters, build)
