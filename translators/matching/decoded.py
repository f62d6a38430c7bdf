"""The resources of one proxy, each decoded once."""

from collections.abc import Mapping

import msgspec

from mirrorplane.api.resource import CLUSTER, ENDPOINT, LISTENER, ROUTE, ResourceSet
from mirrorplane.translators import envoy


class Decoded(msgspec.Struct, frozen=True):
    """Envoy's messages by name."""

    listeners: Mapping[str, envoy.Listener]
    configurations: Mapping[str, envoy.RouteConfiguration]
    clusters: Mapping[str, envoy.Cluster]
    assignments: Mapping[str, envoy.ClusterLoadAssignment]


def decoded(served: ResourceSet) -> Decoded:
    """Decode what matching looks at."""
    return Decoded(
        {name: envoy.Listener.FromString(r.body) for name, r in served.of(LISTENER).items()},
        {name: envoy.RouteConfiguration.FromString(r.body) for name, r in served.of(ROUTE).items()},
        {name: envoy.Cluster.FromString(r.body) for name, r in served.of(CLUSTER).items()},
        {name: envoy.ClusterLoadAssignment.FromString(r.body) for name, r in served.of(ENDPOINT).items()},
    )


def trouble(known: Decoded, name: str, dialled: str = "") -> str:
    """Say why a cluster cannot be sent to, or "". Without interception nobody knows which address was dialled."""
    cluster = known.clusters.get(name)
    if cluster is None:
        return f"there is no cluster {name}"
    if cluster.type == envoy.Cluster.ORIGINAL_DST and not dialled:
        return "without interception nobody knows where the client wanted to go"
    if cluster.type == envoy.Cluster.EDS:
        source = cluster.eds_cluster_config.service_name or name
        said = known.assignments.get(source)
        return "" if said is not None and _healthy(said) else f"nobody is ready to answer for {source}"
    return ""


def _healthy(said: envoy.ClusterLoadAssignment) -> bool:
    unhealthy = envoy.HealthStatus.Value("UNHEALTHY")
    return any(one.health_status != unhealthy for where in said.endpoints for one in where.lb_endpoints)
