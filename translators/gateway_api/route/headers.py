"""HTTPHeaderFilter -> HeaderChanges."""

from collections.abc import Collection, Iterator

from mirrorplane.api.actions import HeaderChanges, Pairs
from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds.gateway_api import filters as gw
from mirrorplane.api.meta import Ref
from mirrorplane.translators.formats import value_problem
from mirrorplane.translators.gateway_api.conditions import UNSUPPORTED_VALUE
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
            header_path = f"{path}.{field}[{i}]"
            if problem := _name_problem(header.name, names):
                yield Finding(about, "InvalidHeader", problem, header_path)
            elif problem := _host_problem(header.name) or value_problem(_text(header.value)):
                yield Finding(about, UNSUPPORTED_VALUE, problem, header_path)
            names.add(header.name)
    for i, name in enumerate(spec.remove):
        if problem := _name_problem(name, spec.remove[:i]):
            yield Finding(about, "InvalidHeader", problem, f"{path}.remove[{i}]")
        elif problem := _host_problem(name):
            yield Finding(about, UNSUPPORTED_VALUE, problem, f"{path}.remove[{i}]")


def _pairs(headers: tuple[gw.HTTPHeader, ...]) -> Pairs:
    by_name: dict[str, gw.HTTPHeader] = {}
    for header in headers:
        by_name.setdefault(header.name.lower(), header)
    return tuple((header.name, _text(header.value)) for header in by_name.values())


def _text(value: str) -> str:
    return value.replace("%", "%%")


def _name_problem(name: str, earlier: Collection[str]) -> str:
    if name in earlier:
        return f"duplicate header {name}"
    return "" if is_header_name(name) else f"invalid header name {name!r}"


def _host_problem(name: str) -> str:
    """Return why a header cannot be changed: in Envoy the host is no header, and a change of it is rejected."""
    return "the Host header cannot be changed here; use URLRewrite with hostname" if name.lower() == "host" else ""
