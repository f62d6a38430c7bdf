"""Which endpoints a proxy calls first, or how much of its requests each locality gets.

Istio: localityLbSetting, zoneAwareLbSetting. Seen from the locality of the proxy. The answer is groups of endpoints,
each with a locality, a weight and a priority.
"""

from collections.abc import Iterable, Mapping

import msgspec

from mirrorplane.api.cluster_policy import ClusterPolicy, LocalityLb
from mirrorplane.api.mesh import Endpoint
from mirrorplane.api.meta import Labels
from mirrorplane.api.proxy import EndpointView, Locality

# Envoy keeps the weight of a locality in 32 bits.
_LARGEST_SUM = (1 << 32) - 1
# Istio's ranks: 3 is another region, 4 one that a `failover` of the own region does not name.
_FAR, _FARTHEST = 3, 4
_REGION_RANKS = 3
# Kubernetes has no label for the third level; Istio added one.
_REGION, _ZONE, _SUBZONE = "topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone"


class Group(msgspec.Struct, frozen=True):
    """Endpoints of one locality with one priority; 0 is tried first."""

    locality: Locality
    endpoints: tuple[Endpoint, ...]
    weight: int
    priority: int = 0


def group_endpoints(endpoints: Iterable[Endpoint], policy: ClusterPolicy, viewer: EndpointView) -> tuple[Group, ...]:
    """Return the endpoints in groups, sorted by priority and locality."""
    settings = (policy.load_balancer.locality_lb if policy.load_balancer else None) or LocalityLb()
    ranks = policy.ranks_localities
    members_by_key: dict[tuple[int, Locality], list[Endpoint]] = {}
    for endpoint in endpoints:
        rank = _distance(endpoint, settings, viewer) if ranks else 0
        members_by_key.setdefault((rank, endpoint.locality), []).append(endpoint)
    # Envoy wants priorities without gaps.
    priorities = {rank: i for i, rank in enumerate(sorted({rank for rank, _ in members_by_key}))}
    groups = tuple(
        Group(locality, tuple(members), min(sum(e.weight for e in members), _LARGEST_SUM), priorities[rank])
        for (rank, locality), members in sorted(members_by_key.items(), key=lambda item: item[0])
    )
    return _distribute(groups, settings, viewer.locality) if policy.weighs_localities else groups


def _distance(endpoint: Endpoint, settings: LocalityLb, viewer: EndpointView) -> int:
    """Return how far an endpoint is from the proxy: 0 is nearest."""
    if settings.zone_aware:
        return _REGION_RANKS * _label_distance(endpoint, settings.failover_priority, viewer) + _region_distance(
            endpoint.locality, settings, viewer.locality
        )
    if settings.failover_priority:
        return _label_distance(endpoint, settings.failover_priority, viewer)
    local, remote = viewer.locality, endpoint.locality
    if not local.region:
        return 0
    if local.region == remote.region:
        return (0 if local.subzone == remote.subzone else 1) if local.zone == remote.zone else 2
    failover = dict(settings.failover).get(local.region)
    return _FAR if failover in {None, remote.region} else _FARTHEST


def _region_distance(remote: Locality, settings: LocalityLb, local: Locality) -> int:
    """Return 0 for the proxy's region, 1 for the one that replaces it, and 2 for all others (Istio)."""
    if remote.region == local.region:
        return 0
    return 1 if dict(settings.failover).get(local.region) == remote.region else 2


def _label_distance(endpoint: Endpoint, priorities: tuple[str, ...], viewer: EndpointView) -> int:
    """Return how many labels remain from the first that the proxy and the endpoint do not share (Istio)."""
    local, remote = _labels(viewer.labels, viewer.locality), _labels(endpoint.labels, endpoint.locality)
    for i, label in enumerate(priorities):
        key, equals, value = label.partition("=")
        if remote.get(key, "") != (value if equals else local.get(key, "")):
            return len(priorities) - i
    return 0


def _labels(labels: Labels, locality: Locality) -> Mapping[str, str]:
    """Return labels, with those of the locality unless they are set."""
    return {_REGION: locality.region, _ZONE: locality.zone, _SUBZONE: locality.subzone, **dict(labels)}


def _distribute(groups: tuple[Group, ...], settings: LocalityLb, local: Locality) -> tuple[Group, ...]:
    """Weigh localities by the first `distribute` rule for the proxy's locality; others get no traffic (Istio).

    The share of a pattern is divided among its localities by the weight of their endpoints; the most specific pattern
    takes its localities first.
    """
    rule = next((spec for spec in settings.distribute if _is_in(local, spec.source)), None)
    if rule is None:
        return groups
    unassigned, weighted = list(groups), []
    for pattern, share in sorted(rule.weights, key=lambda item: (-item[0].count("/"), item[0].endswith("*"), item[0])):
        matching = [group for group in unassigned if _is_in(group.locality, pattern)]
        unassigned = [group for group in unassigned if group not in matching]
        total = sum(group.weight for group in matching)
        # Rounded up: a weight of 0 would take the locality out.
        weighted += [msgspec.structs.replace(g, weight=-(-share * g.weight // total)) for g in matching if g.weight]
    return tuple(sorted(weighted, key=lambda group: group.locality))


def _is_in(locality: Locality, pattern: str) -> bool:
    """Tell whether a locality matches `region/zone/subzone`; a missing field matches any, as `*` does."""
    fields = zip((locality.region, locality.zone, locality.subzone), pattern.split("/"), strict=False)
    return all(field.startswith(glob[:-1]) if glob.endswith("*") else field == glob for field, glob in fields)
