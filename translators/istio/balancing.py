"""LoadBalancerSettings -> LoadBalancer."""

from collections.abc import Iterator
from itertools import takewhile

from mirrorplane.api.cluster_policy import Algorithm, HashKey, LoadBalancer, SlowStart
from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.kinds.istio import destination_rule as istio
from mirrorplane.api.meta import Ref
from mirrorplane.translators.istio.durations import duration_findings, optional_ms
from mirrorplane.translators.istio.locality_lb import nearness_findings, nearness_of
from mirrorplane.translators.istio.numbers import number_findings

_SIMPLE = {
    "": Algorithm.LEAST_REQUEST,
    "UNSPECIFIED": Algorithm.LEAST_REQUEST,
    "LEAST_REQUEST": Algorithm.LEAST_REQUEST,
    "LEAST_CONN": Algorithm.LEAST_REQUEST,
    "ROUND_ROBIN": Algorithm.ROUND_ROBIN,
    "RANDOM": Algorithm.RANDOM,
    "PASSTHROUGH": Algorithm.ORIGINAL_DST,
}
_WARMED = frozenset({Algorithm.LEAST_REQUEST, Algorithm.ROUND_ROBIN})
_LARGEST_TABLE = 5_000_011
"""Envoy's limit for Maglev."""
_LARGEST_RING = 8 << 20
"""Envoy's limit for rings."""
_PERCENT = range(101)
_GENTLEST, _FIERCEST = 1.0, 1e6


def balancing_of(said: istio.LoadBalancer | None) -> LoadBalancer | None:
    """Return which endpoint is called; a warm-up only means something where loads are compared (Istio)."""
    if said is None:
        return None
    hashed, near = said.consistent_hash, nearness_of(said.locality_lb_setting)
    if hashed is None:
        algorithm = _SIMPLE[said.simple]
        slow_start = _warming(said) if algorithm in _WARMED else None
        return LoadBalancer(algorithm, slow_start=slow_start, locality_lb=near)
    if hashed.maglev is not None:
        return LoadBalancer(Algorithm.MAGLEV, _key(hashed), hashed.maglev.table_size, locality_lb=near)
    size = hashed.ring_hash.minimum_ring_size if hashed.ring_hash else hashed.minimum_ring_size
    return LoadBalancer(Algorithm.RING_HASH, _key(hashed), size, locality_lb=near)


def balancing_findings(about: Ref, path: str, said: istio.LoadBalancer | None) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses, and what Envoy would."""
    if said is None:
        return
    if said.simple not in _SIMPLE:
        message = f"{said.simple} is none of {', '.join(filter(None, _SIMPLE))}"
        yield Finding(about, "InvalidLoadBalancer", message, f"{path}.simple")
    if said.simple and said.consistent_hash:
        message = "only one of simple and consistentHash can be set"
        yield Finding(about, "InvalidLoadBalancer", message, path)
    if said.simple == "PASSTHROUGH":
        message = "PASSTHROUGH calls the address that the client dialled, which a proxy without interception never sees"
        fix = "leave it out, unless the proxies' traffic is intercepted"
        yield Finding(about, "PassthroughAddress", message, f"{path}.simple", Severity.WARNING, fix)
    if said.consistent_hash:
        yield from _hash_findings(about, f"{path}.consistentHash", said.consistent_hash)
    yield from _warming_findings(about, path, said)
    yield from nearness_findings(about, f"{path}.localityLbSetting", said.locality_lb_setting)


def _key(said: istio.ConsistentHash) -> HashKey:
    cookie = said.http_cookie
    if cookie is not None:
        ttl = None if cookie.ttl is None else optional_ms(cookie.ttl)
        return HashKey(cookie=cookie.name, cookie_path=cookie.path, cookie_ttl_ms=ttl)
    return HashKey(header=said.http_header_name, query=said.http_query_parameter_name, source_ip=said.use_source_ip)


def _warming(said: istio.LoadBalancer) -> SlowStart | None:
    if said.warmup is not None:
        plain = SlowStart(optional_ms(said.warmup.duration))
        least, aggression = said.warmup.minimum_percent, said.warmup.aggression
        return SlowStart(
            plain.duration_ms,
            plain.min_weight_percent if least is None else least,
            plain.aggression if aggression is None else aggression,
        )
    return SlowStart(optional_ms(said.warmup_duration_secs)) if optional_ms(said.warmup_duration_secs) else None


def _hash_findings(about: Ref, path: str, said: istio.ConsistentHash) -> Iterator[Finding]:
    keys = (said.http_header_name, said.http_cookie, said.use_source_ip, said.http_query_parameter_name)
    if sum(map(bool, keys)) != 1:
        message = "exactly one of httpHeaderName, httpCookie, useSourceIp and httpQueryParameterName has to be set"
        yield Finding(about, "InvalidHash", message, path)
    if said.minimum_ring_size and (said.maglev or said.ring_hash):
        message = "only one of MinimumRingSize or Maglev/Ringhash can be specified"
        yield Finding(about, "InvalidHash", message, f"{path}.minimumRingSize")
    if said.maglev and said.ring_hash:
        yield Finding(about, "InvalidHash", "only one of ringHash and maglev can be set", f"{path}.maglev")
    if said.http_cookie and not said.http_cookie.name:
        yield Finding(about, "InvalidHash", "name required for HttpCookie", f"{path}.httpCookie.name")
    if said.http_cookie:
        yield from duration_findings(about, f"{path}.httpCookie", {"ttl": said.http_cookie.ttl})
    if said.maglev and said.maglev.table_size and not _is_table_size(said.maglev.table_size):
        message = f"the table size has to be a prime number, {_LARGEST_TABLE} at most"
        yield Finding(about, "InvalidHash", message, f"{path}.maglev.tableSize")
    ring = said.ring_hash.minimum_ring_size if said.ring_hash else 0
    sizes = {"minimumRingSize": said.minimum_ring_size, "ringHash.minimumRingSize": ring}
    yield from number_findings(about, path, sizes, range(_LARGEST_RING + 1))


def _is_table_size(size: int) -> bool:
    divisors = takewhile(lambda n: n * n <= size, range(2, size + 1))
    return 1 < size <= _LARGEST_TABLE and all(size % n for n in divisors)


def _warming_findings(about: Ref, path: str, said: istio.LoadBalancer) -> Iterator[Finding]:
    yield from duration_findings(about, path, {"warmupDurationSecs": said.warmup_duration_secs})
    warmup, where = said.warmup, f"{path}.warmup"
    if (warmup or said.warmup_duration_secs) and (said.consistent_hash or _SIMPLE.get(said.simple) not in _WARMED):
        message = "a warm-up only means something with ROUND_ROBIN and LEAST_REQUEST, and is left out"
        yield Finding(about, "WarmupLeftOut", message, path, Severity.WARNING)
    if warmup is None:
        return
    if said.warmup_duration_secs:
        message = "only one of warmupDurationSecs and warmup can be set"
        yield Finding(about, "InvalidWarmup", message, f"{path}.warmupDurationSecs")
    if not warmup.duration:
        yield Finding(about, "InvalidWarmup", "duration is required", f"{where}.duration")
    yield from duration_findings(about, where, {"duration": warmup.duration})
    if warmup.minimum_percent is not None and not 0 <= warmup.minimum_percent <= _PERCENT[-1]:
        yield Finding(about, "InvalidWarmup", "minimumPercent is not in 0..100", f"{where}.minimumPercent")
    if warmup.aggression is not None and not _GENTLEST <= warmup.aggression <= _FIERCEST:
        message = f"aggression is not in {_GENTLEST:g}..{_FIERCEST:g}"
        yield Finding(about, "InvalidWarmup", message, f"{where}.aggression")
