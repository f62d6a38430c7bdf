"""Clusters of services, and the guarded ones of mirrors: one for each port, subset and MirrorProfile.

A few fields tell one cluster from the next; the rest is the same for all of a kind, and is encoded once.
"""

import msgspec

from mirrorplane.api.cluster_policy import Algorithm, ClusterPolicy, LoadBalancer
from mirrorplane.api.mesh import Protocol, Resolution, Service
from mirrorplane.api.mirrors import Guards
from mirrorplane.api.proxy import ClientKey, Scope
from mirrorplane.api.resource import CLUSTER, Resource
from mirrorplane.api.settings import MeshSettings
from mirrorplane.api.view import View
from mirrorplane.translators import envoy
from mirrorplane.translators.lookups import services
from mirrorplane.translators.lookups.endpoints import cluster_port
from mirrorplane.translators.lookups.policies import cluster_policy
from mirrorplane.translators.names import ClusterName, Purpose, Transport, parse_cluster
from mirrorplane.translators.parts import (
    balancing,
    connection_pool,
    endpoint_discovery,
    mirror_guards,
    mirrors,
    upstream_tls,
)
from mirrorplane.translators.secrets import own_secrets
from mirrorplane.translators.settings import mesh

UPSTREAM_HTTP = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_ORIGINAL_DST = LoadBalancer(Algorithm.ORIGINAL_DST)


DedicatedKey = tuple[ClientKey, tuple[str, ...]]
"""What of a Scope a dedicated cluster depends on: the client, and the features that its Envoy lacks."""


class _Sender(msgspec.Struct, frozen=True):
    """What of a proxy the common settings of clusters depend on. `missing_features` only where copies are sent."""

    router: bool
    missing_features: tuple[str, ...] = ()


def dedicated_key(scope: Scope) -> DedicatedKey:
    """Return the key of a scope's dedicated clusters."""
    return scope.client, scope.missing_features


def build_dedicated(view: View, key: DedicatedKey, name: str) -> Resource | None:
    """Return a cluster that only some routes need, perhaps a mirror's: its guards depend on the version of Envoy."""
    client, missing_features = key
    return build(view, client, name, missing_features=missing_features)


def build(
    view: View, client: ClientKey, name: str, *, intercepted: bool = False, missing_features: tuple[str, ...] = ()
) -> Resource | None:
    """Return one cluster, the same for all proxies with this ClientKey; None when its service or port is missing.

    `intercepted`: the proxy knows the original destination address, and uses it for headless services (Istio).
    `missing_features` matter to clusters of mirrors.
    """
    cluster = parse_cluster(name)
    service = view.memo(services.find_service, client.visibility, cluster.host) if cluster else None
    port = cluster_port(service, cluster) if service and cluster else None
    if cluster is None or service is None or port is None:
        return None
    policy = _find_policy(view, client, service, cluster, original_dst=intercepted and service.headless)
    # Stat names end in ";" (Istio), because host names hold the dots that Envoy's tag extraction would cut at.
    body = envoy.Cluster(name=name, alt_stat_name=f"{name};")
    if policy.tls_problem(holds_secrets=client.holds_secrets) or _lacks_secret(view, client, policy):
        # Leaving it out would not do: a cluster that routes still name is not removed from a proxy, so the one before,
        # in plain text, would stay in use.
        return _without_endpoints(body, cluster, service)
    body.lb_policy = balancing.algorithm(policy.load_balancer)
    if not endpoint_discovery.fill(view, client, body, service, cluster):
        # Istio has no cluster for a subset whose labels no endpoint has.
        return _without_endpoints(body, cluster, service) if not cluster.subset else None
    _describe(body, cluster, service)
    # Sent again with a changed cluster: in delta xDS Envoy waits for them, and does not ask (measured on 1.40).
    uses = (cluster.endpoints,) if body.type == envoy.Cluster.EDS else ()
    http2 = cluster.transport is Transport.HTTP2
    protocol = Protocol.HTTP2 if http2 else port.protocol
    guards = mirrors.find_guards(view, cluster.profile) if cluster.purpose is Purpose.MIRROR else None
    policy = _without_unsent_secret(_force_http2(policy) if http2 else policy, client)
    sender = _Sender(client.router, missing_features if guards is not None else ())
    common = view.memo(_common, protocol.value, guards, policy, sender)
    return envoy.resource(CLUSTER, name, envoy.encode(body), common, uses=uses)


def _find_policy(
    view: View, client: ClientKey, service: Service, cluster: ClusterName, *, original_dst: bool
) -> ClusterPolicy:
    """Return the policy of a cluster. Nothing is left to balance where the original destination address is used.

    Only endpoints from EDS have priorities and weights by locality. UDP has no TLS, no requests and no retries.
    """
    policy = _with_names(cluster_policy(view, client, cluster), service)
    if cluster.transport is Transport.UDP:
        policy = ClusterPolicy(load_balancer=policy.load_balancer, connection_pool=policy.connection_pool)
    balancing = policy.load_balancer
    policy_is_original_dst = balancing is not None and balancing.algorithm is Algorithm.ORIGINAL_DST
    if original_dst or policy_is_original_dst or service.resolution is Resolution.NONE:
        policy = msgspec.structs.replace(policy, load_balancer=_ORIGINAL_DST)
    elif service.resolution is not Resolution.ENDPOINTS and balancing is not None:
        policy = msgspec.structs.replace(policy, load_balancer=msgspec.structs.replace(balancing, locality_lb=None))
    return mirrors.with_server_name(policy, service.host) if cluster.purpose is Purpose.MIRROR else policy


def _with_names(policy: ClusterPolicy, service: Service) -> ClusterPolicy:
    """Return the policy with the service's own names to verify (Istio: subjectAltNames), where it lists none."""
    if policy.tls is None or not service.subject_alt_names or policy.tls.subject_alt_names or not policy.tls.verify:
        return policy
    return msgspec.structs.replace(
        policy, tls=msgspec.structs.replace(policy.tls, subject_alt_names=service.subject_alt_names)
    )


def _force_http2(policy: ClusterPolicy) -> ClusterPolicy:
    """Return the policy for a service that is called by HTTP/2, whatever the rule says of versions."""
    if policy.connection_pool is None:
        return policy
    return msgspec.structs.replace(
        policy, connection_pool=msgspec.structs.replace(policy.connection_pool, http2=True, use_client_protocol=False)
    )


def _without_unsent_secret(policy: ClusterPolicy, client: ClientKey) -> ClusterPolicy:
    """Return the policy without the Secret, for proxies that are not sent any (Istio). See decision 0026."""
    if policy.tls is None or not policy.tls.credential_name or client.holds_secrets:
        return policy
    return msgspec.structs.replace(policy, tls=msgspec.structs.replace(policy.tls, credential_name=""))


def _lacks_secret(view: View, client: ClientKey, policy: ClusterPolicy) -> bool:
    if policy.tls is None or not policy.uses_tls or not client.holds_secrets:
        return False
    return any(
        own_secrets.find_secret(view, client.namespace, name) is None for name in own_secrets.client_secrets(policy.tls)
    )


def _common(view: View, port_protocol: str, guards: Guards | None, policy: ClusterPolicy, sender: _Sender) -> bytes:
    """Return what clusters of a kind have in common, encoded: limits, timeouts, HTTP versions, TLS.

    `guards` are those of a mirror's cluster; None for live requests.
    """
    protocol = Protocol(port_protocol)
    settings = view.memo(mesh)
    # To Envoy 1.40 the client of a copy is itself, which speaks HTTP/1.1 (measured: 502 from a gRPC server).
    follow_client = not sender.router and guards is None
    http = connection_pool.http(protocol, policy.connection_pool, upgrade=settings.http2, follow_client=follow_client)
    if policy.outlier_detection is not None:
        connection_pool.count_errors(http, policy.outlier_detection.error_statuses)
    body = envoy.Cluster()
    connection_pool.limit(body, policy, settings)
    balancing.tune(body, policy)
    upstream_tls.secure(body, http, policy)
    if guards is not None:
        mirror_guards.guard(body, http, guards, sender.missing_features)
    # L4 clusters have HTTP options only where something is there: the guards, or the SNI options that TLS puts there.
    if guards is not None or not protocol.is_l4 or policy.uses_tls:
        body.typed_extension_protocol_options[UPSTREAM_HTTP].CopyFrom(envoy.packed(http))
    return envoy.encode(body)


def _describe(body: envoy.Cluster, cluster: ClusterName, service: Service) -> None:
    """Put what the cluster is for into its metadata, as Istio does."""
    fields = body.metadata.filter_metadata["istio"].fields
    described = fields["services"].list_value.values.add().struct_value.fields
    described["host"].string_value = service.host
    described["name"].string_value = service.ref.name
    described["namespace"].string_value = service.namespace
    if cluster.subset:
        fields["subset"].string_value = cluster.subset


def _without_endpoints(body: envoy.Cluster, cluster: ClusterName, service: Service) -> Resource:
    """Return a cluster that answers requests 503. Were none sent, Envoy would keep the previous one in use."""
    body.type = envoy.Cluster.STATIC
    # The default and not the mesh's own, which would be one more dependency: nothing ever connects.
    body.connect_timeout.CopyFrom(envoy.duration(MeshSettings().connect_timeout_ms))
    _describe(body, cluster, service)
    return envoy.resource(CLUSTER, body.name, envoy.encode(body))
