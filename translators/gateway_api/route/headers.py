"""HTTPHeaderFilter -> HeaderChanges."""

from collections.abc import Iterator

from mirrorplane.api.actions import HeaderChanges, Pairs
from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds.gateway_api import filters as gw
from mirrorplane.api.meta import Ref
from mirrorplane.translators.formats import value_problem
from mirrorplane.translators.patterns import is_header_name


def changes_of(spec: gw.HTTPHeaderFilter | None) -> HeaderChanges:
    """Return the changes. Values are plain text, so a percent sign is escaped: in Envoy it begins a command.

    Gateway API: of entries whose names differ only in case, the first wins.
    """
    if spec is None:
        return HeaderChanges()
    return HeaderChanges(_pairs(spec.set), _pairs(spec.add), spec.remove)


def header_findings(about: Ref, path: str, spec: gw.HTTPHeaderFilter) -> Iterator[Finding]:
    """Report what the API server rejects, and what Envoy would: only URLRewrite can change the host."""
    for field, headers in (("set", spec.set), ("add", spec.add)):
        names: set[str] = set()
        for i, header in enumerate(headers):
            problem = _name_problem(header.name) or value_problem(_text(header.value))
            if header.name in names:
                problem = f"duplicate header {header.name}"
            names.add(header.name)
            if problem:
                yield Finding(about, "InvalidHeader", problem, f"{path}.{field}[{i}]")
    for i, name in enumerate(spec.remove):
        if problem := "duplicate name" if name in spec.remove[:i] else _name_problem(name):
            yield Finding(about, "InvalidHeader", problem, f"{path}.remove[{i}]")


def _pairs(headers: tuple[gw.HTTPHeader, ...]) -> Pairs:
    by_name: dict[str, gw.HTTPHeader] = {}
    for header in headers:
        by_name.setdefault(header.name.lower(), header)
    return tuple((header.name, _text(header.value)) for header in by_name.values())


def _text(value: str) -> str:
    return value.replace("%", "%%")


def _name_problem(name: str) -> str:
    if name.lower() == "host":
        return "the Host header cannot be changed here; use URLRewrite with hostname"
    return "" if is_header_name(name) else f"invalid header name {name!r}"
