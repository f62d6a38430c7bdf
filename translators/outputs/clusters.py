"""Clusters: one for each port and subset of each visible service, and a guarded one for each target of a mirror.

What distinguishes a cluster is a few names; the rest is the same for all of a kind, and is encoded once.
"""

from api.mesh import MeshSettings, Protocol, Resolution, Service
from api.proxy import Scope
from api.resource import CLUSTER, Resource
from api.view import View
from translators import envoy, visible
from translators.contract import Output
from translators.lookups import mesh, port_of
from translators.names import BLACK_HOLE, MIRROR, PASSTHROUGH, ClusterName, outbound, parse_cluster
from translators.outputs.routes import http_ports
from translators.parts import discovery, live, mirrors, virtual_hosts

_UPSTREAM_HTTP = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_NO_LIMIT = (1 << 32) - 1


def clusters(view: View, scope: Scope) -> tuple[tuple[str, ...], ...]:
    """Return the names: live ones, one for each target that a route in use copies to, and Istio's two fixed ones."""
    parts = range(view.memo(visible.services, scope.namespace))
    names = tuple(view.memo(live.clusters, scope.namespace, part) for part in parts)
    copies = {
        name
        for port in view.memo(http_ports, scope)
        for part in parts
        for name in view.memo(virtual_hosts.copies, scope, port, part)
    }
    return (*names, tuple(sorted(copies)), (PASSTHROUGH, BLACK_HOLE))


def build(view: View, namespace: str, name: str) -> Resource | None:
    """Return one cluster, as the proxies of a namespace have it."""
    if name in {PASSTHROUGH, BLACK_HOLE}:
        return _fixed(name)
    asked = parse_cluster(name)
    service = view.memo(visible.service, namespace, asked.host) if asked else None
    port = port_of(service, asked.port) if service and asked else None
    if asked is None or service is None or port is None:
        return None
    body = envoy.Cluster(name=name, alt_stat_name=f"{name};")
    if not discovery.fill(view, namespace, body, service, asked):
        return None
    _describe(body, asked, service)
    uses = (outbound(asked.host, asked.port, asked.subset),) if service.resolution is Resolution.ENDPOINTS else ()
    manners = view.memo(_manners, port.protocol.value, asked.direction == MIRROR)
    return envoy.resource(CLUSTER, name, envoy.encode(body), manners, uses=uses)


def _manners(view: View, said: str, mirror: bool) -> bytes:
    """Return what clusters of a kind have in common, encoded: limits, timeouts, how HTTP is spoken."""
    protocol = Protocol(said)
    settings, http = view.memo(mesh), _http(protocol)
    body = envoy.Cluster(connect_timeout=envoy.duration(settings.connect_timeout_ms))
    limit = envoy.UInt32Value(value=_NO_LIMIT)
    body.circuit_breakers.thresholds.add(
        max_connections=limit, max_pending_requests=limit, max_requests=limit, max_retries=limit
    )
    # Unready endpoints are sent as unhealthy, so Envoy must not fall back to them when all are (Istio).
    body.common_lb_config.healthy_panic_threshold.value = 0
    if mirror:
        mirrors.guard(body, http, settings.guards)
    if mirror or protocol is not Protocol.TCP:
        body.typed_extension_protocol_options[_UPSTREAM_HTTP].CopyFrom(envoy.packed(http))
    return envoy.encode(body)


def _http(protocol: Protocol) -> envoy.UpstreamHttp:
    """Return how HTTP is spoken: as the port says, or as the client does where it does not say."""
    said = envoy.UpstreamHttp()
    if protocol is Protocol.HTTP2:
        said.explicit_http_config.http2_protocol_options.SetInParent()
    elif protocol is Protocol.AUTO:
        said.use_downstream_protocol_config.http_protocol_options.SetInParent()
        said.use_downstream_protocol_config.http2_protocol_options.SetInParent()
    else:
        said.explicit_http_config.http_protocol_options.SetInParent()
    return said


def _describe(body: envoy.Cluster, asked: ClusterName, service: Service) -> None:
    """Say in the configuration itself what a cluster is (Istio's metadata)."""
    said = body.metadata.filter_metadata["istio"].fields
    described = said["services"].list_value.values.add().struct_value.fields
    described["host"].string_value = service.host
    described["name"].string_value = service.ref.name
    described["namespace"].string_value = service.namespace
    if asked.subset:
        said["subset"].string_value = asked.subset


def _fixed(name: str) -> Resource:
    body = envoy.Cluster(name=name, connect_timeout=envoy.duration(MeshSettings().connect_timeout_ms))
    if name == PASSTHROUGH:
        body.type = envoy.Cluster.ORIGINAL_DST
        body.lb_policy = envoy.Cluster.CLUSTER_PROVIDED
    else:
        body.type = envoy.Cluster.STATIC
    return envoy.resource(CLUSTER, name, envoy.encode(body))


OUTPUT = Output(CLUSTER, clusters, build, key=lambda scope: scope.namespace)
