"""The resources of one proxy, each decoded once."""

from collections.abc import Mapping

import msgspec

from mirrorplane.api.resource import CLUSTER, ENDPOINT, LISTENER, ROUTE, ResourceSet
from mirrorplane.translators import envoy


class DecodedResources(msgspec.Struct, frozen=True):
    """Envoy's messages by name."""

    listeners: Mapping[str, envoy.Listener]
    configurations: Mapping[str, envoy.RouteConfiguration]
    clusters: Mapping[str, envoy.Cluster]
    assignments: Mapping[str, envoy.ClusterLoadAssignment]


def decode_resources(resources: ResourceSet) -> DecodedResources:
    """Decode the resource types that matching reads."""
    return DecodedResources(
        {name: envoy.Listener.FromString(r.body) for name, r in resources.of_type(LISTENER).items()},
        {name: envoy.RouteConfiguration.FromString(r.body) for name, r in resources.of_type(ROUTE).items()},
        {name: envoy.Cluster.FromString(r.body) for name, r in resources.of_type(CLUSTER).items()},
        {name: envoy.ClusterLoadAssignment.FromString(r.body) for name, r in resources.of_type(ENDPOINT).items()},
    )


def cluster_problem(resources: DecodedResources, name: str, original_dst_address: str = "") -> str:
    """Return why nothing can be sent to a cluster, or "". `original_dst_address` is known only with interception."""
    cluster = resources.clusters.get(name)
    if cluster is None:
        return f"cluster {name} does not exist"
    if cluster.type == envoy.Cluster.ORIGINAL_DST and not original_dst_address:
        return "the original destination is known only with interception"
    if cluster.type == envoy.Cluster.EDS:
        service = cluster.eds_cluster_config.service_name or name
        assignment = resources.assignments.get(service)
        return "" if assignment is not None and _has_healthy(assignment) else f"{service} has no healthy endpoint"
    # A host whose policy cannot be applied gets such a cluster; Envoy answers its requests 503.
    if cluster.type == envoy.Cluster.STATIC and not any(
        group.lb_endpoints for group in cluster.load_assignment.endpoints
    ):
        return f"cluster {name} has no endpoints"
    return ""


def _has_healthy(assignment: envoy.ClusterLoadAssignment) -> bool:
    unhealthy = envoy.HealthStatus.Value("UNHEALTHY")
    return any(e.health_status != unhealthy for locality in assignment.endpoints for e in locality.lb_endpoints)
