"""HTTPHeaderFilter -> HeaderChanges."""

from collections.abc import Iterator

from mirrorplane.api.actions import HeaderChanges, Pairs
from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds.gateway_api import filters as gw
from mirrorplane.api.meta import Ref
from mirrorplane.translators.formats import value_problem
from mirrorplane.translators.patterns import is_header_name


def changes_of(said: gw.HTTPHeaderFilter | None) -> HeaderChanges:
    """Return the changes; values are text, so a per cent sign is one.

    Gateway API: of several entries whose names differ in case alone, the first counts.
    """
    if said is None:
        return HeaderChanges()
    return HeaderChanges(_pairs(said.set), _pairs(said.add), said.remove)


def header_findings(about: Ref, path: str, said: gw.HTTPHeaderFilter) -> Iterator[Finding]:
    """Refuse what the API server refuses, and what Envoy would: the host is URLRewrite's to change."""
    for field, given in (("set", said.set), ("add", said.add)):
        seen: set[str] = set()
        for i, one in enumerate(given):
            problem = _name_problem(one.name) or value_problem(_text(one.value))
            if one.name in seen:
                problem = f"the header {one.name} is there twice"
            seen.add(one.name)
            if problem:
                yield Finding(about, "InvalidHeader", problem, f"{path}.{field}[{i}]")
    for i, name in enumerate(said.remove):
        if problem := "it is there twice" if name in said.remove[:i] else _name_problem(name):
            yield Finding(about, "InvalidHeader", problem, f"{path}.remove[{i}]")


def _pairs(said: tuple[gw.HTTPHeader, ...]) -> Pairs:
    firsts: dict[str, gw.HTTPHeader] = {}
    for one in said:
        firsts.setdefault(one.name.lower(), one)
    return tuple((one.name, _text(one.value)) for one in firsts.values())


def _text(value: str) -> str:
    return value.replace("%", "%%")


def _name_problem(name: str) -> str:
    if name.lower() == "host":
        return "Envoy does not change the host this way: use URLRewrite with hostname"
    return "" if is_header_name(name) else f"{name!r} is not the name of a header"
