"""Rules and matches that no request reaches, because the first that matches wins (Istio IST0130, IST0131)."""

from collections.abc import Iterator

import msgspec

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.kinds.istio import virtual_service as istio
from mirrorplane.api.meta import Ref


def unreachable_findings(about: Ref, rules: tuple[istio.HTTPRoute, ...]) -> Iterator[Finding]:
    """Warn of rules after a catch-all rule, and of matches that an earlier rule has verbatim."""
    first_rules: dict[bytes, int] = {}
    catch_all = _match_key(istio.MatchRequest())
    for i, rule in enumerate(rules):
        matches = [_match_key(match) for match in rule.match] or [catch_all]
        earlier = [first_rules.get(catch_all, first_rules.get(match)) for match in matches]
        if None not in earlier:
            label = f"#{i} ({rule.name})" if rule.name else f"#{i}"
            message = f"virtualService rule {label} not used: {_reason(first_rules, catch_all, earlier[0])}"
            yield Finding(about, "UnreachableRule", message, f"spec.http[{i}]", Severity.WARNING, "move it up")
        else:
            for k in (k for k, j in enumerate(earlier) if j is not None):
                message = f"the match is unreachable: {_reason(first_rules, catch_all, earlier[k])}"
                yield Finding(about, "UnreachableMatch", message, f"spec.http[{i}].match[{k}]", Severity.WARNING)
        # A rule with a delegate may pass requests on: the delegate's own matches narrow it down.
        for match in matches if rule.delegate is None else ():
            first_rules.setdefault(match, i)


def _match_key(match: istio.MatchRequest) -> bytes:
    """Encode a match for comparison, without its names; the prefix `/` alone matches everything."""
    bare = msgspec.structs.replace(match, name="", stat_prefix="")
    if bare.uri is not None and bare.uri.prefix == "/":
        bare = msgspec.structs.replace(bare, uri=None, ignore_uri_case=False)
    return msgspec.json.encode(bare, order="deterministic")


def _reason(first_rules: dict[bytes, int], catch_all: bytes, rule: int | None) -> str:
    if catch_all in first_rules:
        return f"rule #{first_rules[catch_all]} before it matches every request"
    return f"rule #{rule} before it has the same match"
