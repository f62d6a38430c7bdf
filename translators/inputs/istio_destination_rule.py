"""Istio DestinationRule -> TrafficPolicy."""

from collections import Counter
from collections.abc import Iterable, Iterator

from api.finding import Finding
from api.hosts import fqdn, host_problem
from api.kinds.istio import destination_rule as istio
from api.mesh import Lowered
from api.meta import Object
from api.policies import Subset, TrafficPolicy
from api.view import View
from translators.contract import Input


def lower(_: View, obj: Object[istio.DestinationRule]) -> Lowered:
    """Return the policy; the host's short name is completed with the rule's own namespace (Istio)."""
    spec = obj.spec
    policy = TrafficPolicy(
        host=fqdn(spec.host, obj.ref.namespace),
        namespace=obj.ref.namespace,
        ref=obj.ref,
        subsets=tuple(Subset(s.name, tuple(sorted(s.labels.items()))) for s in spec.subsets),
        export_to=spec.export_to or ("*",),
        created=obj.created,
    )
    return Lowered(policies=(policy,))


def validate(obj: Object[istio.DestinationRule]) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses."""
    if problem := host_problem(obj.spec.host):
        yield Finding(obj.ref, "InvalidHost", problem, "spec.host")
    names = Counter(s.name for s in obj.spec.subsets)
    for i, subset in enumerate(obj.spec.subsets):
        if "." in subset.name or host_problem(subset.name):
            message = f"subset name is invalid: {subset.name!r} is no DNS label"
            yield Finding(obj.ref, "InvalidSubset", message, f"spec.subsets[{i}].name")
        elif names[subset.name] > 1:
            names[subset.name] = 0
            message = f"duplicate subset names: {subset.name}"
            yield Finding(obj.ref, "DuplicateSubset", message, f"spec.subsets[{i}].name", fix="name each subset once")


def _host(obj: Object[istio.DestinationRule]) -> Iterable[str]:
    return (fqdn(obj.spec.host, obj.ref.namespace),)


INPUT = Input(kinds=(istio.DESTINATION_RULE,), lower=lower, validate=validate, indexes={"policy.host": _host})
