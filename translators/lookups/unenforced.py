"""Which policies that are not enforced here select a party to a request."""

from collections.abc import Iterable

from mirrorplane.api.meta import Labels
from mirrorplane.api.unenforced import TargetSelector, TrafficParty, UnenforcedPolicy
from mirrorplane.api.view import View


def unenforced_policies(view: View, parties: Iterable[TrafficParty]) -> tuple[UnenforcedPolicy, ...]:
    """Return the policies that select one of the parties, each once, in the order of their Refs."""
    sides = tuple(parties)
    policies = (policy for obj in view.by("unenforced", "*") for policy in view.lowered(obj.ref).unenforced)
    return tuple(policy for policy in policies if any(_selects(policy, party) for party in sides))


def _selects(policy: UnenforcedPolicy, party: TrafficParty) -> bool:
    if policy.targets or policy.selectors:
        named = any(target in party.objects for target in policy.targets)
        return named or any(_matches(selector, party) for selector in policy.selectors)
    in_namespace = policy.namespace in {"", party.namespace}
    return party.is_workload and in_namespace and _includes(party.labels, policy.labels)


def _matches(selector: TargetSelector, party: TrafficParty) -> bool:
    return any(
        (ref.kind, ref.namespace) == (selector.kind, selector.namespace) and _includes(labels, selector.labels)
        for ref, labels in party.objects.items()
    )


def _includes(labels: Labels, required: Labels) -> bool:
    return set(required) <= set(labels)
