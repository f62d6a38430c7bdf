"""A row of the table: a kind of policy, which traffic it selects, and what is allowed because it is not enforced.

Specs are plain values of any shape, as no schema of ours has checked them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any

import msgspec

from mirrorplane.api.finding import Severity
from mirrorplane.api.meta import PLAIN, AnyObject, Kind

WARNING = Severity.WARNING


class Effect(msgspec.Struct, frozen=True):
    """What one field of a policy would do, as the consequence of its not being done."""

    path: str
    message: str
    severity: Severity = Severity.ERROR
    fix: str = "enforce it in the workload, or in a proxy whose control plane supports it"


class Selection(Enum):
    """How a kind selects traffic.

    WORKLOADS: by labels (Istio's `selector` or `workloadSelector`) unless it has targetRefs; those of the root
    namespace in every namespace. TARGETS: by targetRefs and targetSelectors (Gateway API's policy attachment).
    NAMESPACE: everything in its namespace. NONE: it is no policy of traffic that is served here.
    """

    WORKLOADS = "workloads"
    TARGETS = "targets"
    NAMESPACE = "namespace"
    NONE = "none"


Effects = Callable[[AnyObject], Iterator[Effect]]


class PolicyKind(msgspec.Struct, frozen=True):
    """A kind, how it selects traffic, and the effects that an object of it lacks here; none if it forbids nothing."""

    kind: Kind
    effects: Effects
    selection: Selection = Selection.TARGETS


def plain_kind(api_version: str, name: str, *, older: tuple[str, ...] = ()) -> Kind:
    """Return a kind without a schema. `api_version` is `group/version`; `older` are further versions."""
    group, _, version = api_version.rpartition("/")
    return Kind(group, (version, *older), name, PLAIN)


def value_at(value: Any, *path: str) -> Any:
    """Return the value at a path of keys; None where it is missing, or something on the way is not a mapping."""
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def items_of(value: Any) -> Sequence[Any]:
    """Return the items of a list; of anything else none, or the value itself where it is set."""
    return value if isinstance(value, list | tuple) else [value] if value else []


def always(message: str, severity: Severity = Severity.ERROR) -> Effects:
    """Return the effects of a kind whose objects all do the same."""
    return lambda _: iter((Effect("spec", message, severity),))


def by_field(messages: Mapping[str, str | Effect], remaining: str = "") -> Effects:
    """Return an effect for each field of the spec that is set: its message, as an error, or the Effect itself.

    Keys are paths below `spec`. `remaining` is the warning for objects with none of them.
    """

    def effects(obj: AnyObject) -> Iterator[Effect]:
        matching = [path for path in messages if value_at(obj.spec, *path.split(".")) not in (None, (), [], {})]
        for path in matching:
            message = messages[path]
            effect = Effect("", message) if isinstance(message, str) else message
            yield msgspec.structs.replace(effect, path=f"spec.{path}")
        if remaining and not matching:
            yield Effect("spec", remaining, WARNING)

    return effects


def warning(message: str) -> Effect:
    """Return an effect that is a warning, for `by_field`."""
    return Effect("", message, WARNING)


def texts(value: Any) -> Iterator[str]:
    """Yield every string of a plain value, at any depth: the decoder limits how deep it is."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for child in value.values():
            yield from texts(child)
    elif isinstance(value, list | tuple):
        for child in value:
            yield from texts(child)
