"""Rules and matches that no request ever gets to: the first that fits decides (Istio IST0130, IST0131)."""

from collections.abc import Iterator

import msgspec

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.kinds.istio import virtual_service as istio
from mirrorplane.api.meta import Ref


def unreachable_findings(about: Ref, rules: tuple[istio.HTTPRoute, ...]) -> Iterator[Finding]:
    """Warn of rules behind one that takes everything, and of matches that an earlier rule has word for word."""
    seen: dict[bytes, int] = {}
    everything = _said(istio.MatchRequest())
    for i, rule in enumerate(rules):
        matches = [_said(match) for match in rule.match] or [everything]
        before = [seen.get(everything, seen.get(match)) for match in matches]
        if None not in before:
            called = f"#{i} ({rule.name})" if rule.name else f"#{i}"
            message = f"virtualService rule {called} not used: {_why(seen, everything, before[0])}"
            yield Finding(about, "UnreachableRule", message, f"spec.http[{i}]", Severity.WARNING, "put it before that")
        else:
            for k in (k for k, j in enumerate(before) if j is not None):
                message = f"the match is never asked: {_why(seen, everything, before[k])}"
                yield Finding(about, "UnreachableMatch", message, f"spec.http[{i}].match[{k}]", Severity.WARNING)
        for match in matches if rule.delegate is None else ():  # a delegate's own matches leave some to others
            seen.setdefault(match, i)


def _said(match: istio.MatchRequest) -> bytes:
    """Return what a match says, less what only names it, to be compared; all paths and nothing else is everything."""
    bare = msgspec.structs.replace(match, name="", stat_prefix="")
    if bare.uri is not None and bare.uri.prefix == "/":
        bare = msgspec.structs.replace(bare, uri=None, ignore_uri_case=False)
    return msgspec.json.encode(bare, order="deterministic")


def _why(seen: dict[bytes, int], everything: bytes, rule: int | None) -> str:
    if everything in seen:
        return f"rule #{seen[everything]} before it takes every request"
    return f"rule #{rule} before it has the same match"
