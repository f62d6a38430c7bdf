"""The whole table of policies that are not enforced, and the findings about one of them."""

from collections.abc import Iterator, Mapping

from mirrorplane.api.finding import Finding
from mirrorplane.api.meta import AnyObject
from mirrorplane.translators.unenforced import flomesh, gateways, istio
from mirrorplane.translators.unenforced.policy_kind import PolicyKind, Selection

ROWS: Mapping[str, PolicyKind] = {row.kind.key: row for row in (*istio.ROWS, *gateways.ROWS, *flomesh.ROWS)}
"""The rows by Kind.key."""


NOT_ENFORCED = "NotEnforced"


def effect_findings(obj: AnyObject) -> Iterator[Finding]:
    """Yield a finding for each effect that an object would have; none for one that forbids nothing."""
    row = ROWS[obj.ref.kind]
    problem = "served" if row.selection is Selection.NONE else "enforced"
    for effect in row.effects(obj):
        message = f"{row.kind.name} is not {problem} by Mirrorplane: {effect.message}"
        yield Finding(obj.ref, NOT_ENFORCED, message, effect.path, effect.severity, effect.fix)
