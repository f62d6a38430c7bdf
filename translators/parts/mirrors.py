"""Mirror -> RequestMirrorPolicy, and the name and guards of the cluster that the copies are sent to.

A mirror is not fire-and-forget in Envoy. It streams the copy beside the original: a target that stops reading stops the
client's upload, and a target that takes live traffic as well shares its circuit breakers with the copies. So every
target has a cluster of its own, whose limits drop a copy before it can push back (`mirror_guards`). See decision 0001.
"""

from collections.abc import Iterator

import msgspec

from mirrorplane.api.actions import HeaderChanges
from mirrorplane.api.cluster_policy import ClusterPolicy
from mirrorplane.api.mirrors import COPY_HEADER, Guards, Mirror, MirrorProfile, profile_owner
from mirrorplane.api.proxy import ClientKey
from mirrorplane.api.view import View
from mirrorplane.translators import envoy
from mirrorplane.translators.lookups.policies import target_port
from mirrorplane.translators.lookups.reachability import Traffic, unreachable
from mirrorplane.translators.names import mirror_cluster
from mirrorplane.translators.parts.headers import header_options
from mirrorplane.translators.settings import mesh


def target(view: View, client: ClientKey, mirror: Mirror, listener_port: int) -> str | None:
    """Return the name of the cluster for a mirror's copies; None when a part of its destination is missing.

    A mirror without a target is dropped here and reported by the check of destinations; its route does not change.
    """
    destination = mirror.destination
    port = target_port(view, client.visibility, destination, listener_port)
    if unreachable(view, client, destination, port, Traffic.MIRROR) is not None:
        return None
    cluster = mirror_cluster(destination.host, port, destination.subset, http2=destination.http2)
    return str(msgspec.structs.replace(cluster, profile=mirror.profile))


def policy(view: View, mirror: Mirror, cluster: str) -> envoy.RouteAction.RequestMirrorPolicy:
    """Return Envoy's mirror policy.

    The denominator is always MILLION: Envoy draws one random number for both the weighted cluster and the mirror, so
    with weights that sum to 100, `10/HUNDRED` would copy only requests to the first destination. See decision 0003.
    """
    # No `runtime_key`, as in Istio: with one, /runtime_modify of Envoy's admin API could change the fraction.
    profile = find_profile(view, mirror.profile)
    return envoy.RouteAction.RequestMirrorPolicy(
        cluster=cluster,
        runtime_fraction=envoy.RuntimeFractionalPercent(default_value=envoy.share(mirror.fraction)),
        # Istio: the copy's span would be a child of the original's.
        trace_sampled=envoy.BoolValue(value=False),
        disable_shadow_host_suffix_append=bool(profile.host) or not mirror.shadow_suffix,
        host_rewrite_literal=profile.host or mirror.host,
        request_headers_mutations=_mutations(_header_changes(mirror, profile)),
    )


def find_profile(view: View, name: str) -> MirrorProfile:
    """Return the profile of a name. One that is not declared (any more) is the mesh's: copies are always guarded."""
    owner = profile_owner(name)
    profiles = view.lowered(owner).mirror_profiles if owner is not None else ()
    return next((profile for profile in profiles if profile.name == name), MirrorProfile())


def find_guards(view: View, name: str) -> Guards:
    """Return the guards of the profile of a name."""
    return find_profile(view, name).guards or view.memo(mesh).guards


def with_server_name(policy: ClusterPolicy, host: str) -> ClusterPolicy:
    """Return the policy for copies sent to a host over TLS: SNI is the host, where the policy names none.

    Elsewhere SNI follows each request's Host, but a copy's is that of its original, perhaps with Envoy's `-shadow`.
    """
    if policy.tls is None or policy.tls.sni or host.startswith("*"):
        return policy
    names = policy.tls.subject_alt_names or ((host,) if policy.tls.verify else ())
    return msgspec.structs.replace(policy, tls=msgspec.structs.replace(policy.tls, sni=host, subject_alt_names=names))


def _header_changes(mirror: Mirror, profile: MirrorProfile) -> HeaderChanges:
    """Return what is changed on the copy alone. The mark comes last, so that no profile removes it."""
    if not mirror.mark:
        return profile.headers
    # Added, not set: a copy of a copy has the marks of both rules, so that rules that copy to each other end as well.
    return profile.headers.plus(HeaderChanges(add=((COPY_HEADER, mirror.mark),)))


def _mutations(changes: HeaderChanges) -> Iterator[envoy.HeaderMutation]:
    """Yield the changes in the order in which Envoy applies them on routes: what is removed, set, added."""
    for name in changes.remove:
        yield envoy.HeaderMutation(remove=name)
    for option in header_options(changes):
        yield envoy.HeaderMutation(append=option)
