"""Clusters of services, and those that copies go to: one for each port and subset, of its own limits for copies.

What distinguishes a cluster is a few names; the rest is the same for all of a kind, and is encoded once.
"""

import msgspec

from mirrorplane.api.cluster_policy import Algorithm, Balancing, ClusterPolicy
from mirrorplane.api.mesh import Protocol, Resolution, Service
from mirrorplane.api.proxy import ClientKey
from mirrorplane.api.resource import CLUSTER, Resource
from mirrorplane.api.settings import MeshSettings
from mirrorplane.api.view import View
from mirrorplane.translators import envoy
from mirrorplane.translators.lookups import services
from mirrorplane.translators.lookups.policies import cluster_policy, port_called
from mirrorplane.translators.names import DATAGRAMS, ClusterName, assigned, parse_cluster
from mirrorplane.translators.parts import balancing, connection_pool, endpoint_discovery, mirrors, upstream_tls
from mirrorplane.translators.secrets import own_secrets
from mirrorplane.translators.settings import mesh

UPSTREAM_HTTP = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_DIALLED = Balancing(Algorithm.ORIGINAL_DST)


def build(view: View, client: ClientKey, name: str, *, dialled: bool = False) -> Resource | None:
    """Return one cluster, as proxies that are one caller have it.

    `dialled`: the proxy knows which address its client wanted, and of a headless service that is the one (Istio).
    """
    asked = parse_cluster(name)
    service = view.memo(services.service, client.visibility, asked.host) if asked else None
    port = port_called(service, asked) if service and asked else None
    if asked is None or service is None or port is None:
        return None
    said = _manner(view, client, service, asked, dialled=dialled and service.headless)
    body = envoy.Cluster(name=name, alt_stat_name=f"{name};")
    if said.unusable(holds_secrets=client.holds_secrets) or _lacks_secret(view, client, said):
        return _closed(body, asked, service)
    body.lb_policy = balancing.algorithm(said.balancing)
    if not endpoint_discovery.fill(view, client, body, service, asked):
        return None
    _describe(body, asked, service)
    uses = (assigned(asked),) if body.type == envoy.Cluster.EDS else ()
    spoken = Protocol.HTTP2 if asked.http2 else port.protocol
    cluster_policies = view.memo(
        _manners, spoken.value, asked.copies, _held(_forced(said) if asked.http2 else said, client)
    )
    return envoy.resource(CLUSTER, name, envoy.encode(body), cluster_policies, uses=uses)


def _manner(view: View, client: ClientKey, service: Service, asked: ClusterName, *, dialled: bool) -> ClusterPolicy:
    """Return how a cluster is called; where the client's own address is dialled, nothing is left to choose.

    Only endpoints that come from us have priorities and weights by locality. What is said of connections is nothing to
    datagrams.
    """
    said = _named(cluster_policy(view, client, asked), service)
    if asked.direction == DATAGRAMS:
        said = ClusterPolicy(balancing=said.balancing, pool=said.pool)
    passes_on = said.balancing is not None and said.balancing.algorithm is Algorithm.ORIGINAL_DST
    if dialled or passes_on or service.resolution is Resolution.NONE:
        said = msgspec.structs.replace(said, balancing=_DIALLED)
    elif service.resolution is not Resolution.ENDPOINTS and said.balancing is not None:
        said = msgspec.structs.replace(said, balancing=msgspec.structs.replace(said.balancing, locality_lb=None))
    return mirrors.named(said, service.host) if asked.copies else said


def _named(said: ClusterPolicy, service: Service) -> ClusterPolicy:
    """Return how a service is called; where the policy says no names, its own have to be in its certificate."""
    if said.tls is None or not service.names or said.tls.names or not said.tls.verify:
        return said
    return msgspec.structs.replace(said, tls=msgspec.structs.replace(said.tls, names=service.names))


def _forced(said: ClusterPolicy) -> ClusterPolicy:
    """Return how a service is called by HTTP/2, whatever the rule says of versions."""
    if said.pool is None:
        return said
    return msgspec.structs.replace(said, pool=msgspec.structs.replace(said.pool, http2=True, as_client=False))


def _held(said: ClusterPolicy, client: ClientKey) -> ClusterPolicy:
    """Return how a service is called; a Secret that the proxy is not sent is as good as none (Istio)."""
    if said.tls is None or not said.tls.credential or client.holds_secrets:
        return said
    return msgspec.structs.replace(said, tls=msgspec.structs.replace(said.tls, credential=""))


def _lacks_secret(view: View, client: ClientKey, said: ClusterPolicy) -> bool:
    if said.tls is None or not said.uses_tls or not client.holds_secrets:
        return False
    return any(own_secrets.held(view, client.namespace, name) is None for name in own_secrets.of_calls(said.tls))


def _manners(view: View, protocol: str, mirror: bool, said: ClusterPolicy) -> bytes:
    """Return what clusters of a kind have in common, encoded: limits, timeouts, how HTTP is spoken, by which line."""
    spoken = Protocol(protocol)
    settings = view.memo(mesh)
    http = connection_pool.http(spoken, said.pool, upgrade=settings.http2)
    body = envoy.Cluster()
    connection_pool.limit(body, said, settings)
    balancing.tune(body, said)
    upstream_tls.secure(body, http, said)
    if mirror:
        mirrors.guard(body, http, settings.guards)
    if mirror or not spoken.is_bytes or said.uses_tls:
        body.typed_extension_protocol_options[UPSTREAM_HTTP].CopyFrom(envoy.packed(http))
    return envoy.encode(body)


def _describe(body: envoy.Cluster, asked: ClusterName, service: Service) -> None:
    """Say in the configuration itself what a cluster is (Istio's metadata)."""
    said = body.metadata.filter_metadata["istio"].fields
    described = said["services"].list_value.values.add().struct_value.fields
    described["host"].string_value = service.host
    described["name"].string_value = service.ref.name
    described["namespace"].string_value = service.namespace
    if asked.subset:
        said["subset"].string_value = asked.subset


def _closed(body: envoy.Cluster, asked: ClusterName, service: Service) -> Resource:
    """Return a cluster without endpoints: requests are answered 503. Without any, the one before would stay in use."""
    body.type = envoy.Cluster.STATIC
    body.connect_timeout.CopyFrom(envoy.duration(MeshSettings().connect_timeout_ms))
    _describe(body, asked, service)
    return envoy.resource(CLUSTER, body.name, envoy.encode(body))
