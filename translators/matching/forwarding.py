"""What a route does that sends requests on: where they go, as what, and what is copied."""

from collections.abc import Iterator
from http import HTTPStatus

import msgspec

from mirrorplane.api.tracing import Forwarded, MirrorOutcome, Request, Target
from mirrorplane.translators import envoy, names
from mirrorplane.translators.matching.decoded import Decoded, trouble
from mirrorplane.translators.matching.fields import fraction
from mirrorplane.translators.matching.headers import Level, edited, request_edits, response_edits
from mirrorplane.translators.matching.paths import substituted, with_prefix


class Place(msgspec.Struct, frozen=True):
    """A route and what is around it: it holds for all of them, from the inside out."""

    route: envoy.Route
    virtual_host: envoy.VirtualHost
    configuration: envoy.RouteConfiguration

    @property
    def levels(self) -> tuple[Level, ...]:
        """Who may change headers, the most specific first."""
        return self.route, self.virtual_host, self.configuration


def sending(known: Decoded, place: Place, request: Request) -> Forwarded:
    """Return what a route's action comes to for a request."""
    action = place.route.route
    retry = next((one.retry_policy for one in (action, place.virtual_host) if one.HasField("retry_policy")), None)
    policies = next(
        (one.request_mirror_policies for one in (action, *place.levels[1:]) if one.request_mirror_policies), ()
    )
    targets = tuple(_targets(known, place, request))
    lost = _NOTHING_SENT if all(to.problem for to in targets) else ""
    return Forwarded(
        targets=targets,
        mirrors=tuple(_copying(known, policy, request.random_value, lost) for policy in policies),
        timeout_ms=action.timeout.ToMilliseconds() if action.HasField("timeout") else _TIMEOUT_MS,
        retries=(retry.num_retries.value if retry.HasField("num_retries") else 1) if retry is not None else 0,
        retry_on=retry.retry_on if retry is not None else "",
    )


_NOTHING_SENT = "the request itself is answered 503, and what is not sent is not copied"
_FAILS = envoy.RouteAction.INTERNAL_SERVER_ERROR
_TIMEOUT_MS = 15_000
"""Envoy's own, where a route says nothing."""


def _targets(known: Decoded, place: Place, request: Request) -> Iterator[Target]:
    action = place.route.route
    if action.WhichOneof("cluster_specifier") != "weighted_clusters":
        yield _target(known, place, request, envoy.WeightedCluster.ClusterWeight(name=action.cluster))
        return
    shares = [share for share in action.weighted_clusters.clusters if share.weight.value]
    total = sum(share.weight.value for share in shares)
    for share in shares if request.random_value is None else _chosen(shares, request.random_value % total):
        yield msgspec.structs.replace(_target(known, place, request, share), weight=share.weight.value, total=total)


def _chosen(
    shares: list[envoy.WeightedCluster.ClusterWeight], number: int
) -> Iterator[envoy.WeightedCluster.ClusterWeight]:
    """Yield the one that a number below the sum of weights falls on, in their order (Envoy)."""
    for share in shares:
        if number < share.weight.value:
            yield share
            return
        number -= share.weight.value


def _target(known: Decoded, place: Place, request: Request, share: envoy.WeightedCluster.ClusterWeight) -> Target:
    action = place.route.route
    levels = (share, *place.levels)
    lost = known.clusters.get(share.name) is None and action.cluster_not_found_response_code == _FAILS
    asked = names.parse_cluster(share.name)
    return Target(
        cluster=share.name,
        host=asked.host if asked else "",
        port=asked.port if asked else 0,
        subset=asked.subset if asked else "",
        weight=1,
        total=1,
        path=_path(place.route.match, action, request.path),
        authority=action.host_rewrite_literal or share.host_rewrite_literal or request.authority,
        headers=edited(request.headers, request_edits(levels)),
        response_edits=response_edits(levels),
        problem=trouble(known, share.name, request.address),
        status=(HTTPStatus.INTERNAL_SERVER_ERROR if lost else HTTPStatus.SERVICE_UNAVAILABLE).value,
    )


def _path(match: envoy.RouteMatch, action: envoy.RouteAction, path: str) -> str:
    if action.HasField("regex_rewrite"):
        return substituted(action.regex_rewrite.pattern.regex, action.regex_rewrite.substitution, path)
    return with_prefix(match, path, action.prefix_rewrite) if action.prefix_rewrite else path


def _copying(
    known: Decoded, policy: envoy.RouteAction.RequestMirrorPolicy, random_value: int | None, lost: str
) -> MirrorOutcome:
    asked = names.parse_cluster(policy.cluster)
    numerator, denominator = 1, 1
    if policy.HasField("runtime_fraction"):
        numerator, denominator = fraction(policy.runtime_fraction.default_value)
    problem = lost or trouble(known, policy.cluster)
    return MirrorOutcome(
        cluster=policy.cluster,
        host=asked.host if asked else "",
        port=asked.port if asked else 0,
        subset=asked.subset if asked else "",
        numerator=numerator,
        denominator=denominator,
        shadow_suffix=not policy.disable_shadow_host_suffix_append,
        fires=None if random_value is None else not problem and random_value % denominator < numerator,
        problem=problem,
        authority=policy.host_rewrite_literal,
    )


def copied_authority(copy: MirrorOutcome, target: Target) -> str:
    """Return the authority of a copy of what is sent to a target: the suffix stands before a port (Envoy)."""
    if copy.authority or not copy.shadow_suffix:
        return copy.authority or target.authority
    authority = target.authority
    at = authority.rfind("]:") + 1 if authority.startswith("[") else authority.rfind(":")
    return f"{authority[:at]}-shadow{authority[at:]}" if at > 0 else f"{authority}-shadow"
