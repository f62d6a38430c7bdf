"""Header operations of a VirtualService on requests and responses, among them the Host."""

from collections.abc import Iterator, Mapping

from mirrorplane.api.actions import HeaderChanges, Headers, Pairs
from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds.istio import virtual_service as istio
from mirrorplane.api.meta import Ref
from mirrorplane.translators.formats import text_problem, value_problem
from mirrorplane.translators.patterns import is_header_name

_HOSTS = frozenset({"host", ":authority"})


def headers_of(spec: istio.Headers | None) -> Headers:
    """Return the operations sorted by name, without those on the Host, which `host_of` returns (Istio)."""
    return Headers(_changes(spec.request), _changes(spec.response)) if spec is not None else Headers()


def host_of(spec: istio.Headers | None) -> str:
    """Return the new Host of requests, or "": from `Host` or `:authority`, where `set` wins over `add` (Istio)."""
    if spec is None:
        return ""
    hosts = [value for pairs in (spec.request.set, spec.request.add) for key, value in pairs.items() if _is_host(key)]
    return hosts[0] if hosts else ""


def header_findings(about: Ref, path: str, spec: istio.Headers | None) -> Iterator[Finding]:
    """Refuse what Istio's validation and Envoy refuse."""
    if spec is None:
        return
    for side, changes in (("request", spec.request), ("response", spec.response)):
        for field, pairs in (("set", changes.set), ("add", changes.add)):
            for name, value in pairs.items():
                value_path = f"{path}.{side}.{field}.{name}"
                if _is_host(name) and side == "request":
                    problem = text_problem(value) or ("" if value else "the Host is empty")
                else:
                    problem = _name_problem(name) or value_problem(value)
                if problem:
                    yield Finding(about, "InvalidHeader", problem, value_path)
        for i, name in enumerate(changes.remove):
            if problem := _name_problem(name):
                yield Finding(about, "InvalidHeader", problem, f"{path}.{side}.remove[{i}]")


def _name_problem(name: str) -> str:
    if name.startswith(":"):
        return f'invalid header "{name}": header cannot have ":" prefix'
    if _is_host(name):
        return "the Host can only be set or added, and only on requests"
    return "" if is_header_name(name) else f"{name!r} is not a valid header name"


def _changes(spec: istio.HeaderOperations) -> HeaderChanges:
    return HeaderChanges(_pairs(spec.set), _pairs(spec.add), tuple(spec.remove))


def _pairs(operations: Mapping[str, str]) -> Pairs:
    return tuple(sorted((name, value) for name, value in operations.items() if not _is_host(name)))


def _is_host(name: str) -> bool:
    return name.lower() in _HOSTS
