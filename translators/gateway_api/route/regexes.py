"""The matches of the rules of an HTTPRoute or a GRPCRoute, within the limit on what its regexes cost together."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from mirrorplane.api.finding import Finding
from mirrorplane.api.matches import Op
from mirrorplane.api.meta import Ref
from mirrorplane.translators.gateway_api.conditions import UNSUPPORTED_VALUE
from mirrorplane.translators.gateway_api.route.rules import Rule
from mirrorplane.translators.patterns import budget_problems

M = TypeVar("M")


def rule_match_findings(
    rules: Sequence[Rule], specs: Sequence[Sequence[M]], check: Callable[[Ref, str, M], Iterator[Finding]]
) -> Iterator[Finding]:
    """Check the matches of every rule, which `specs` has as they are written.

    A rule whose regexes, with those of the rules before, cost too much is reported, and its regexes are not compiled:
    it is dropped, like one with a regex that Envoy would reject. See decision 0141.
    """
    for rule, matches, problem in zip(rules, specs, budget_problems(map(_regexes, rules)), strict=True):
        if problem:
            yield Finding(rule.about, UNSUPPORTED_VALUE, problem, f"{rule.path}.matches")
            continue
        for j, match in enumerate(matches):
            yield from check(rule.about, f"{rule.path}.matches[{j}]", match)


def _regexes(rule: Rule) -> Iterator[str]:
    for match in (rule_match.match for rule_match in rule.matches):
        for text in (match.path, *(field.match for field in (*match.headers, *match.query))):
            if text.op is Op.REGEX:
                yield text.value
