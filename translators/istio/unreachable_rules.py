"""Rules and matches that no request reaches, because the first that matches wins (Istio IST0130, IST0131)."""

from collections.abc import Iterable, Iterator

import msgspec

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.kinds.istio import virtual_service as istio
from mirrorplane.api.meta import Ref

_CATCH_ALL = b""


class _Rule(msgspec.Struct, frozen=True):
    """A rule by its matches, encoded for comparison; `b""` matches everything. `decides`: nothing passes it by."""

    matches: tuple[bytes, ...]
    name: str = ""
    decides: bool = True


def unreachable_findings(about: Ref, spec: istio.VirtualService) -> Iterator[Finding]:
    """Warn of rules after a catch-all rule, and of matches that an earlier rule has verbatim."""
    # A rule with a delegate may pass requests on: the delegate's own matches narrow it down.
    http = [
        _Rule(tuple(map(_match_key, rule.match)) or (_CATCH_ALL,), rule.name, rule.delegate is None)
        for rule in spec.http
    ]
    yield from _findings(about, "http", "request", http)
    for field, stream_rules in (("tls", spec.tls), ("tcp", spec.tcp)):
        rules = [_Rule(tuple(map(_stream_match_key, rule.match)) or (_CATCH_ALL,)) for rule in stream_rules]
        yield from _findings(about, field, "connection", rules)


def _findings(about: Ref, field: str, noun: str, rules: Iterable[_Rule]) -> Iterator[Finding]:
    first_rules: dict[bytes, int] = {}
    for i, rule in enumerate(rules):
        earlier = [first_rules.get(_CATCH_ALL, first_rules.get(match)) for match in rule.matches]
        path = f"spec.{field}[{i}]"
        if None not in earlier:
            label = f"#{i} ({rule.name})" if rule.name else f"#{i}"
            message = f"virtualService rule {label} not used: {_reason(first_rules, noun, earlier[0])}"
            yield Finding(about, "UnreachableRule", message, path, Severity.WARNING, "move it up")
        else:
            for k in (k for k, j in enumerate(earlier) if j is not None):
                message = f"the match is unreachable: {_reason(first_rules, noun, earlier[k])}"
                yield Finding(about, "UnreachableMatch", message, f"{path}.match[{k}]", Severity.WARNING)
        for match in rule.matches if rule.decides else ():
            first_rules.setdefault(match, i)


def _stream_match_key(match: istio.StreamMatch) -> bytes:
    return _CATCH_ALL if match == istio.StreamMatch() else msgspec.json.encode(match, order="deterministic")


def _match_key(match: istio.MatchRequest) -> bytes:
    """Encode a match for comparison, without its names; the prefix `/` alone matches everything."""
    bare = msgspec.structs.replace(match, name="", stat_prefix="")
    if bare.uri is not None and bare.uri.prefix == "/":
        bare = msgspec.structs.replace(bare, uri=None, ignore_uri_case=False)
    return _CATCH_ALL if bare == istio.MatchRequest() else msgspec.json.encode(bare, order="deterministic")


def _reason(first_rules: dict[bytes, int], noun: str, rule: int | None) -> str:
    if _CATCH_ALL in first_rules:
        return f"rule #{first_rules[_CATCH_ALL]} before it matches every {noun}"
    return f"rule #{rule} before it has the same match"
