"""`TYPE`, `TYPE/NAME`: which objects a user asks for, in kubectl's spelling."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

import msgspec

from mirrorplane.controlplane.query.objects import StatusRow

SHORT_NAMES = {
    "vs": "virtualservice",
    "dr": "destinationrule",
    "gw": "gateway",
    "se": "serviceentry",
    "gtw": "gateway",
    "gc": "gatewayclass",
    "lset": "listenerset",
    "btlspolicy": "backendtlspolicy",
}
"""The short names of Istio's and Gateway API's CRDs."""


class SelectionError(ValueError):
    """Arguments that select nothing that could exist. The message says how to write them."""


class Target(msgspec.Struct, frozen=True):
    """The objects of a type, or one of them. `group` and `name` "" are any; `type` is a kind in lower case."""

    type: str
    group: str = ""
    name: str = ""
    namespace: str = ""

    def selects(self, row: StatusRow) -> bool:
        """Tell whether an object is asked for."""
        group = row.api_version.rpartition("/")[0]
        return (
            row.kind.lower() == self.type
            and self.group in {"", group}
            and self.name in {"", row.metadata.name}
            and self.namespace in {"", row.metadata.namespace}
        )

    def __str__(self) -> str:
        kind = f"{self.type}.{self.group}" if self.group else self.type
        return "/".join(filter(None, (kind, self.namespace, self.name)))


def parse_targets(arguments: Sequence[str]) -> list[Target]:
    """Read `TYPE/NAME ...`, `TYPE/NAMESPACE/NAME ...`, or `TYPE NAME ...`, as kubectl does. Raises SelectionError."""
    if not any("/" in argument for argument in arguments) and len(arguments) > 1:
        return [msgspec.structs.replace(_target(arguments[0]), name=name) for name in arguments[1:]]
    if len(arguments) > 1 and not all("/" in argument for argument in arguments):
        raise SelectionError("write TYPE/NAME for each object, or TYPE NAME ...")
    return list(map(_target, arguments))


def select(rows: Iterable[StatusRow], targets: Sequence[Target], namespace: str = "") -> list[StatusRow]:
    """Return the rows of a namespace ("": all; objects without one are in all) that a target selects, if there are any.

    Raises SelectionError for a target that selects nothing.
    """
    rows = list(rows)
    shown = [row for row in rows if namespace in {"", row.metadata.namespace} or not row.metadata.namespace]
    for target in targets:
        if not any(map(target.selects, shown)):
            raise SelectionError(_not_found(target, rows, namespace))
    return [row for row in shown if not targets or any(target.selects(row) for target in targets)]


def _not_found(target: Target, rows: Iterable[StatusRow], namespace: str) -> str:
    where = f" in namespace {namespace}" if namespace else ""
    types = {row.kind.lower() for row in rows} - {target.type}
    close = get_close_matches(target.type, types, 1) if not target.group else []
    fix = f"did you mean {close[0]}?" if close else "no such object, or one of a type without status"
    return f"{target} not found{where}: {fix}"


def _target(argument: str) -> Target:
    kind, *names = argument.split("/")
    if not kind or len(names) > 2 or not all(names):  # noqa: PLR2004 - namespace and name
        raise SelectionError(f"{argument!r} is not TYPE, TYPE/NAME or TYPE/NAMESPACE/NAME")
    name, _, group = kind.lower().partition(".")
    namespace = names[0] if len(names) > 1 else ""
    return Target(_singular(SHORT_NAMES.get(name, name)), group, names[-1] if names else "", namespace)


def _singular(name: str) -> str:
    """Return the kind of a plural: `gatewayclasses`, `policies`, `httproutes`; a singular stays."""
    for plural, singular in (("ies", "y"), ("sses", "ss"), ("s", "")):
        if name.endswith(plural) and not name.endswith("ss"):
            return f"{name[: -len(plural)]}{singular}"
    return name
