"""What a route does that forwards requests: the clusters, the rewritten request, the mirrors."""

from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import TypeAlias

import msgspec

from mirrorplane.api.mirrors import SHADOW_SUFFIX
from mirrorplane.api.tracing import Forwarded, MirrorOutcome, Request, Target
from mirrorplane.translators import envoy, names
from mirrorplane.translators.matching.decoded import DecodedResources, cluster_problem
from mirrorplane.translators.matching.fields import fraction
from mirrorplane.translators.matching.headers import Level, apply_edits, mutations, request_edits, response_edits
from mirrorplane.translators.matching.paths import replace_prefix, replace_regex

_ClusterWeight: TypeAlias = envoy.WeightedCluster.ClusterWeight
_NOTHING_FORWARDED = "the request itself is answered 503, and Envoy only mirrors what it forwards"
_ANSWERS_500 = envoy.RouteAction.INTERNAL_SERVER_ERROR
_DEFAULT_TIMEOUT_MS = 15_000
"""Envoy's default of RouteAction.timeout."""


class NestedRoute(msgspec.Struct, frozen=True):
    """A route with the virtual host and the configuration around it, whose settings apply to it too."""

    route: envoy.Route
    virtual_host: envoy.VirtualHost
    configuration: envoy.RouteConfiguration

    @property
    def levels(self) -> tuple[Level, ...]:
        """The levels that may change headers, the most specific first."""
        return self.route, self.virtual_host, self.configuration


def forward(resources: DecodedResources, nested: NestedRoute, request: Request) -> Forwarded:
    """Return what a route's action does with a request."""
    action = nested.route.route
    retry = next(
        (level.retry_policy for level in (action, nested.virtual_host) if level.HasField("retry_policy")), None
    )
    # Mirror policies are not merged: Envoy takes those of the most specific level that has any.
    levels = (action, *nested.levels[1:])
    policies = next((level.request_mirror_policies for level in levels if level.request_mirror_policies), ())
    targets = tuple(_targets(resources, nested, request))
    unsent = _NOTHING_FORWARDED if all(target.problem for target in targets) else ""
    return Forwarded(
        targets=targets,
        mirrors=tuple(_mirror_outcome(resources, policy, request.random_value, unsent) for policy in policies),
        timeout_ms=action.timeout.ToMilliseconds() if action.HasField("timeout") else _DEFAULT_TIMEOUT_MS,
        # 1 is Envoy's default.
        retries=(retry.num_retries.value if retry.HasField("num_retries") else 1) if retry is not None else 0,
        retry_on=retry.retry_on if retry is not None else "",
    )


def _targets(resources: DecodedResources, nested: NestedRoute, request: Request) -> Iterator[Target]:
    action = nested.route.route
    if action.WhichOneof("cluster_specifier") != "weighted_clusters":
        yield _target(resources, nested, request, _ClusterWeight(name=action.cluster))
        return
    weighted = [cluster for cluster in action.weighted_clusters.clusters if cluster.weight.value]
    total = sum(cluster.weight.value for cluster in weighted)
    for cluster in weighted if request.random_value is None else _drawn(weighted, request.random_value % total):
        target = _target(resources, nested, request, cluster)
        yield msgspec.structs.replace(target, weight=cluster.weight.value, total=total)


def _drawn(weighted: Sequence[_ClusterWeight], number: int) -> Iterator[_ClusterWeight]:
    """Yield the cluster that a number below the sum of weights selects, in the order of the list (Envoy)."""
    for cluster in weighted:
        if number < cluster.weight.value:
            yield cluster
            return
        number -= cluster.weight.value


def _target(resources: DecodedResources, nested: NestedRoute, request: Request, cluster: _ClusterWeight) -> Target:
    action = nested.route.route
    levels = (cluster, *nested.levels)
    missing = cluster.name not in resources.clusters
    answers_500 = missing and action.cluster_not_found_response_code == _ANSWERS_500
    name = names.parse_cluster(cluster.name)
    return Target(
        cluster=cluster.name,
        host=name.host if name else "",
        port=name.port if name else 0,
        subset=name.subset if name else "",
        weight=1,
        total=1,
        path=_rewritten_path(nested.route.match, action, request.path),
        authority=action.host_rewrite_literal or cluster.host_rewrite_literal or request.authority,
        headers=apply_edits(request.headers, request_edits(levels)),
        request_edits=request_edits(levels),
        response_edits=response_edits(levels),
        problem=cluster_problem(resources, cluster.name, request.address),
        status=(HTTPStatus.INTERNAL_SERVER_ERROR if answers_500 else HTTPStatus.SERVICE_UNAVAILABLE).value,
    )


def _rewritten_path(match: envoy.RouteMatch, action: envoy.RouteAction, path: str) -> str:
    if action.HasField("regex_rewrite"):
        return replace_regex(action.regex_rewrite.pattern.regex, action.regex_rewrite.substitution, path)
    return replace_prefix(match, path, action.prefix_rewrite) if action.prefix_rewrite else path


def _mirror_outcome(
    resources: DecodedResources,
    policy: envoy.RouteAction.RequestMirrorPolicy,
    random_value: int | None,
    unsent: str,
) -> MirrorOutcome:
    name = names.parse_cluster(policy.cluster)
    numerator, denominator = 1, 1
    if policy.HasField("runtime_fraction"):
        numerator, denominator = fraction(policy.runtime_fraction.default_value)
    problem = unsent or cluster_problem(resources, policy.cluster)
    return MirrorOutcome(
        cluster=policy.cluster,
        host=name.host if name else "",
        port=name.port if name else 0,
        subset=name.subset if name else "",
        numerator=numerator,
        denominator=denominator,
        shadow_suffix=not policy.disable_shadow_host_suffix_append,
        # The same random value decides weights and mirrors, so fractions are parts of a million (decision 0003).
        fires=None if random_value is None else not problem and random_value % denominator < numerator,
        problem=problem,
        authority=policy.host_rewrite_literal,
        edits=mutations(policy.request_headers_mutations),
    )


def mirror_authority(mirror: MirrorOutcome, target: Target) -> str:
    """Return the Host of a copy of what is sent to a target. Envoy puts the suffix before the port."""
    if mirror.authority or not mirror.shadow_suffix:
        return mirror.authority or target.authority
    authority = target.authority
    colon = authority.rfind("]:") + 1 if authority.startswith("[") else authority.rfind(":")
    return f"{authority[:colon]}{SHADOW_SUFFIX}{authority[colon:]}" if colon > 0 else f"{authority}{SHADOW_SUFFIX}"
