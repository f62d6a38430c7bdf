"""Headers of a VirtualService: what is changed on requests and responses, and the host among it."""

from collections.abc import Iterator, Mapping

from mirrorplane.api.actions import HeaderChanges, Headers, Pairs
from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds.istio import virtual_service as istio
from mirrorplane.api.meta import Ref
from mirrorplane.translators.formats import text_problem, value_problem
from mirrorplane.translators.patterns import is_header_name

_HOSTS = frozenset({"host", ":authority"})


def headers_of(said: istio.Headers | None) -> Headers:
    """Return the changes, each list in the order of names; those of the host are `host_of`'s (Istio)."""
    return Headers(_changes(said.request), _changes(said.response)) if said is not None else Headers()


def host_of(said: istio.Headers | None) -> str:
    """Return the host that requests get, or "": `Host` or `:authority`, and `set` goes before `add` (Istio)."""
    if said is None:
        return ""
    named = [value for given in (said.request.set, said.request.add) for key, value in given.items() if _is_host(key)]
    return named[0] if named else ""


def header_findings(about: Ref, path: str, said: istio.Headers | None) -> Iterator[Finding]:
    """Refuse what Istio's validation and Envoy refuse."""
    if said is None:
        return
    for side, changes in (("request", said.request), ("response", said.response)):
        for field, given in (("set", changes.set), ("add", changes.add)):
            for name, value in given.items():
                where = f"{path}.{side}.{field}.{name}"
                if _is_host(name) and side == "request":
                    problem = text_problem(value) or ("" if value else "the host is empty")
                else:
                    problem = _name_problem(name) or value_problem(value)
                if problem:
                    yield Finding(about, "InvalidHeader", problem, where)
        for i, name in enumerate(changes.remove):
            if problem := _name_problem(name):
                yield Finding(about, "InvalidHeader", problem, f"{path}.{side}.remove[{i}]")


def _name_problem(name: str) -> str:
    if name.startswith(":"):
        return f'invalid header "{name}": header cannot have ":" prefix'
    if _is_host(name):
        return "the host can only be set or added, and only on requests"
    return "" if is_header_name(name) else f"{name!r} is not the name of a header"


def _changes(said: istio.HeaderOperations) -> HeaderChanges:
    return HeaderChanges(_pairs(said.set), _pairs(said.add), tuple(said.remove))


def _pairs(given: Mapping[str, str]) -> Pairs:
    return tuple(sorted((name, value) for name, value in given.items() if not _is_host(name)))


def _is_host(name: str) -> bool:
    return name.lower() in _HOSTS
