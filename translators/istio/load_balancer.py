"""LoadBalancerSettings -> LoadBalancer."""

import re
from collections.abc import Iterator
from itertools import takewhile

from mirrorplane.api.cluster_policy import Algorithm, HashKey, LoadBalancer, SlowStart, Utilization
from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.kinds.istio import destination_rule as istio
from mirrorplane.api.meta import Ref
from mirrorplane.translators.istio.locality_lb import (
    locality_lb_findings,
    locality_lb_of,
    zone_aware_lb_findings,
    zone_aware_lb_of,
)
from mirrorplane.translators.istio.scalars import duration_findings, number_findings, optional_ms

_ATTRIBUTE = re.compile(r"[ -:<-~]*")
_LONGEST_ATTRIBUTE = 16384
_SIMPLE = {
    # Istio's default, though Envoy's is ROUND_ROBIN. LEAST_CONN is Istio's deprecated word.
    "": Algorithm.LEAST_REQUEST,
    "UNSPECIFIED": Algorithm.LEAST_REQUEST,
    "LEAST_REQUEST": Algorithm.LEAST_REQUEST,
    "LEAST_CONN": Algorithm.LEAST_REQUEST,
    "ROUND_ROBIN": Algorithm.ROUND_ROBIN,
    "RANDOM": Algorithm.RANDOM,
    "PASSTHROUGH": Algorithm.ORIGINAL_DST,
}
_SLOW_START = frozenset({Algorithm.LEAST_REQUEST, Algorithm.ROUND_ROBIN})
_LARGEST_TABLE = 5_000_011
"""Envoy's limit for Maglev."""
_LARGEST_RING = 8 << 20
"""Envoy's limit for rings."""
_PERCENT = range(101)
_MIN_AGGRESSION, _MAX_AGGRESSION = 1.0, 1e6


def load_balancer_of(spec: istio.LoadBalancer | None) -> LoadBalancer | None:
    """Return how an endpoint is chosen. Slow start is kept only for algorithms that compare weights (Istio)."""
    if spec is None:
        return None
    consistent_hash = spec.consistent_hash
    locality_lb = zone_aware_lb_of(spec.zone_aware_lb_setting) or locality_lb_of(spec.locality_lb_setting)
    if consistent_hash is None:
        algorithm = _SIMPLE[spec.simple]
        slow_start = _slow_start(spec) if algorithm in _SLOW_START else None
        utilization = _utilization(spec.backend_utilization)
        return LoadBalancer(algorithm, slow_start=slow_start, locality_lb=locality_lb, utilization=utilization)
    if consistent_hash.maglev is not None:
        return LoadBalancer(
            Algorithm.MAGLEV, _hash_key(consistent_hash), consistent_hash.maglev.table_size, locality_lb=locality_lb
        )
    ring = consistent_hash.ring_hash
    size = ring.minimum_ring_size if ring else consistent_hash.minimum_ring_size
    return LoadBalancer(Algorithm.RING_HASH, _hash_key(consistent_hash), size, locality_lb=locality_lb)


def load_balancer_findings(about: Ref, path: str, spec: istio.LoadBalancer | None) -> Iterator[Finding]:
    """Refuse what Istio's validation and Envoy refuse."""
    if spec is None:
        return
    if spec.simple not in _SIMPLE:
        message = f"{spec.simple} is not one of {', '.join(filter(None, _SIMPLE))}"
        yield Finding(about, "InvalidLoadBalancer", message, f"{path}.simple")
    if sum(map(bool, (spec.simple, spec.consistent_hash, spec.backend_utilization is not None))) > 1:
        message = "only one of simple, consistentHash and backendUtilization can be set"
        yield Finding(about, "InvalidLoadBalancer", message, path)
    if spec.simple == "PASSTHROUGH":
        message = "PASSTHROUGH dials the original destination, which is unknown without interception: requests get 503"
        fix = "remove it, unless the proxies intercept traffic"
        yield Finding(about, "PassthroughAddress", message, f"{path}.simple", Severity.WARNING, fix)
    if spec.consistent_hash:
        yield from _hash_findings(about, f"{path}.consistentHash", spec.consistent_hash)
    yield from _warmup_findings(about, path, spec)
    yield from _locality_findings(about, path, spec)


def _locality_findings(about: Ref, path: str, spec: istio.LoadBalancer) -> Iterator[Finding]:
    if spec.locality_lb_setting is not None and spec.zone_aware_lb_setting is not None:
        message = "only one of localityLbSetting and zoneAwareLbSetting can be set"
        yield Finding(about, "InvalidLocality", message, path)
    yield from locality_lb_findings(about, f"{path}.localityLbSetting", spec.locality_lb_setting)
    yield from zone_aware_lb_findings(about, f"{path}.zoneAwareLbSetting", spec.zone_aware_lb_setting)
    if spec.backend_utilization is not None:
        yield from _utilization_findings(about, f"{path}.backendUtilization", spec)


def _utilization_findings(about: Ref, path: str, spec: istio.LoadBalancer) -> Iterator[Finding]:
    utilization = spec.backend_utilization
    assert utilization is not None
    durations = {
        "weightStabilizationPeriod": utilization.weight_stabilization_period,
        "weightExpirationPeriod": utilization.weight_expiration_period,
        "weightUpdatePeriod": utilization.weight_update_period,
    }
    yield from duration_findings(about, path, durations)
    penalty = {"errorUtilizationPenaltyPercent": utilization.error_utilization_penalty_percent}
    yield from number_findings(about, path, penalty)
    if spec.locality_lb_setting is not None and spec.locality_lb_setting.distribute:
        message = "localityLbSetting.distribute has no effect: Envoy cannot weigh localities beside reported load"
        yield Finding(about, "LocalityLeftOut", message, path, Severity.WARNING, "remove one of the two")


def _hash_key(spec: istio.ConsistentHash) -> HashKey:
    cookie = spec.http_cookie
    if cookie is not None:
        ttl = None if cookie.ttl is None else optional_ms(cookie.ttl)
        attributes = tuple((attribute.name, attribute.value) for attribute in cookie.attributes)
        return HashKey(cookie=cookie.name, cookie_path=cookie.path, cookie_ttl_ms=ttl, cookie_attributes=attributes)
    return HashKey(header=spec.http_header_name, query=spec.http_query_parameter_name, source_ip=spec.use_source_ip)


def _utilization(spec: istio.BackendUtilization | None) -> Utilization | None:
    if spec is None:
        return None
    return Utilization(
        blackout_ms=_optional(spec.weight_stabilization_period),
        expiration_ms=_optional(spec.weight_expiration_period),
        update_ms=_optional(spec.weight_update_period),
        error_penalty=spec.error_utilization_penalty_percent / _PERCENT[-1],
        metrics=spec.metric_names_for_computing_utilization,
    )


def _optional(text: str | None) -> int | None:
    return optional_ms(text) if text else None


def _slow_start(spec: istio.LoadBalancer) -> SlowStart | None:
    if spec.warmup is not None:
        defaults = SlowStart(optional_ms(spec.warmup.duration))
        minimum, aggression = spec.warmup.minimum_percent, spec.warmup.aggression
        return SlowStart(
            defaults.duration_ms,
            defaults.min_weight_percent if minimum is None else minimum,
            defaults.aggression if aggression is None else aggression,
        )
    return SlowStart(optional_ms(spec.warmup_duration_secs)) if optional_ms(spec.warmup_duration_secs) else None


def _cookie_findings(about: Ref, path: str, spec: istio.HTTPCookie) -> Iterator[Finding]:
    yield from duration_findings(about, path, {"ttl": spec.ttl})
    for i, attribute in enumerate(spec.attributes):
        for field, text in (("name", attribute.name), ("value", attribute.value)):
            # Envoy's limit of both; a semicolon would end the attribute.
            if (
                (field == "name" and not text)
                or len(text.encode()) > _LONGEST_ATTRIBUTE
                or not _ATTRIBUTE.fullmatch(text)
            ):
                message = "use 1 to 16384 visible ASCII characters, and no semicolon"
                yield Finding(about, "InvalidHash", message, f"{path}.attributes[{i}].{field}")


def _hash_findings(about: Ref, path: str, spec: istio.ConsistentHash) -> Iterator[Finding]:
    keys = (spec.http_header_name, spec.http_cookie, spec.use_source_ip, spec.http_query_parameter_name)
    if sum(map(bool, keys)) != 1:
        message = "exactly one of httpHeaderName, httpCookie, useSourceIp and httpQueryParameterName must be set"
        yield Finding(about, "InvalidHash", message, path)
    if spec.minimum_ring_size and (spec.maglev or spec.ring_hash):
        message = "only one of MinimumRingSize or Maglev/Ringhash can be specified"
        yield Finding(about, "InvalidHash", message, f"{path}.minimumRingSize")
    if spec.maglev and spec.ring_hash:
        yield Finding(about, "InvalidHash", "only one of ringHash and maglev can be set", f"{path}.maglev")
    if spec.http_cookie and not spec.http_cookie.name:
        yield Finding(about, "InvalidHash", "name required for HttpCookie", f"{path}.httpCookie.name")
    if spec.http_cookie:
        yield from _cookie_findings(about, f"{path}.httpCookie", spec.http_cookie)
    if spec.maglev and spec.maglev.table_size and not _is_table_size(spec.maglev.table_size):
        message = f"tableSize must be a prime number, at most {_LARGEST_TABLE}"
        yield Finding(about, "InvalidHash", message, f"{path}.maglev.tableSize")
    ring = spec.ring_hash.minimum_ring_size if spec.ring_hash else 0
    sizes = {"minimumRingSize": spec.minimum_ring_size, "ringHash.minimumRingSize": ring}
    yield from number_findings(about, path, sizes, range(_LARGEST_RING + 1))


def _is_table_size(size: int) -> bool:
    # Maglev permutes by a step that must share no factor with the size: Envoy and Istio want a prime.
    divisors = takewhile(lambda n: n * n <= size, range(2, size + 1))
    return 1 < size <= _LARGEST_TABLE and all(size % n for n in divisors)


def _warmup_findings(about: Ref, path: str, spec: istio.LoadBalancer) -> Iterator[Finding]:
    yield from duration_findings(about, path, {"warmupDurationSecs": spec.warmup_duration_secs})
    warmup, warmup_path = spec.warmup, f"{path}.warmup"
    takes_turns = _SIMPLE.get(spec.simple) in _SLOW_START and not (spec.consistent_hash or spec.backend_utilization)
    if (warmup or spec.warmup_duration_secs) and not takes_turns:
        message = "warmup is ignored: it needs ROUND_ROBIN or LEAST_REQUEST"
        yield Finding(about, "WarmupLeftOut", message, path, Severity.WARNING)
    if warmup is None:
        return
    if spec.warmup_duration_secs:
        message = "only one of warmupDurationSecs and warmup can be set"
        yield Finding(about, "InvalidWarmup", message, f"{path}.warmupDurationSecs")
    if not warmup.duration:
        yield Finding(about, "InvalidWarmup", "duration is required", f"{warmup_path}.duration")
    yield from duration_findings(about, warmup_path, {"duration": warmup.duration})
    if warmup.minimum_percent is not None and not 0 <= warmup.minimum_percent <= _PERCENT[-1]:
        yield Finding(about, "InvalidWarmup", "minimumPercent is not in 0..100", f"{warmup_path}.minimumPercent")
    if warmup.aggression is not None and not _MIN_AGGRESSION <= warmup.aggression <= _MAX_AGGRESSION:
        message = f"aggression is not in {_MIN_AGGRESSION:g}..{_MAX_AGGRESSION:g}"
        yield Finding(about, "InvalidWarmup", message, f"{warmup_path}.aggression")
