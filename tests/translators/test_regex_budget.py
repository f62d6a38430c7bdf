"""What the regexes of one object may cost: counted in what is compiled, so that no test depends on the machine."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import pytest
import re2

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.kinds.istio import virtual_service as istio
from mirrorplane.api.resource import ROUTE
from mirrorplane.controlplane.engine.catalogue import catalogue
from mirrorplane.translators import patterns
from mirrorplane.translators.istio.regexes import regexes_of
from mirrorplane.translators.patterns import LARGEST_PROGRAM, REGEX_BUDGET, budget_problems, regex_problem
from tests.builders import decoded, objects, plane_of, rendered
from tests.gateway_manifests import EDGE, doc, gateway, path, route, rule_to, services

BOMB = r"(?:\pL|\pN|\pM){300}"
SLOW_TO_PARSE = "|".join([r"\pL"] * 250)
LARGEST = r"[^a]{1000}" * 4


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The patterns that RE2 is asked to compile."""
    asked: list[str] = []
    compile_regex = re2.compile

    def counted(pattern: str, options: Any = None) -> Any:
        asked.append(pattern)
        return compile_regex(pattern, options)

    patterns._compile.cache_clear()
    monkeypatch.setattr(re2, "compile", counted)
    yield asked
    patterns._compile.cache_clear()


async def findings_of(text: str) -> tuple[Finding, ...]:
    """What validation finds about the one object of a document, or else its translation."""
    [obj] = objects(text)
    [validate] = [i.validate for i in catalogue().inputs if obj.ref.kind in {kind.key for kind in i.kinds}]
    return tuple(validate(obj)) or (await plane_of(f"{text}---\n{gateway({})}")).findings.all()


def virtual_service(*regexes: str) -> str:
    rules = "".join(f"  - match: [{{uri: {{regex: '{r}'}}}}]\n    directResponse: {{status: 200}}\n" for r in regexes)
    return f"""apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: bomb, namespace: default}}
spec:
  hosts: [web.example.com]
  http:
{rules}"""


def http_route(*regexes: str) -> str:
    return _in_rules_of_eight("HTTPRoute", [path(regex, "RegularExpression") for regex in regexes])


def grpc_route(*regexes: str) -> str:
    return _in_rules_of_eight("GRPCRoute", [{"method": {"type": "RegularExpression", "service": r}} for r in regexes])


def _in_rules_of_eight(kind: str, matches: Sequence[Any]) -> str:
    """Return as many of the matches as the API server allows in one route, in rules of eight."""
    rules = [{"matches": list(matches[i : i + 8])} for i in range(0, 120, 8)]
    return doc(kind, "bomb", {"parentRefs": [{"name": "edge"}], "rules": rules})


async def test_the_same_regex_in_300_matches_is_compiled_once(compiled: list[str]):
    await findings_of(virtual_service(*[BOMB] * 300))
    assert compiled == [BOMB]


@pytest.mark.parametrize(
    ("document", "bomb"),
    [(virtual_service, BOMB), (virtual_service, SLOW_TO_PARSE), (http_route, BOMB), (grpc_route, LARGEST)],
)
async def test_many_different_costly_regexes_of_one_object_are_not_all_compiled(
    document: Callable[..., str], bomb: str, compiled: list[str]
):
    findings = await findings_of(document(*(f"{bomb}{i}" for i in range(300))))
    different = {pattern for pattern in compiled if bomb in pattern}
    # A GRPCRoute's are compiled alone and as a part of the path.
    assert 1 < len(different) <= 2 * (REGEX_BUDGET // 20_000)
    assert any("the limit for one object" in finding.message for finding in findings)


async def test_a_virtual_service_over_the_budget_is_refused_with_its_first_rule_that_does_not_fit():
    [finding] = await findings_of(virtual_service(*(f"{LARGEST}{i}" for i in range(300))))
    assert (finding.reason, finding.severity) == ("LargeRegexes", Severity.ERROR)
    assert finding.path.startswith("spec.http[")


async def test_the_rules_of_a_route_that_fit_are_served_and_the_others_dropped():
    bombs = (path(f"/{i}/{LARGEST}", "RegularExpression", headers=[header(LARGEST + str(i))]) for i in range(15))
    rules = (*(rule_to("web", bomb) for bomb in bombs), rule_to("web", path("/")))
    served = decoded(await rendered("---\n".join([gateway({}), services("web"), route("web", *rules)]), EDGE), ROUTE)
    assert [i for i in range(15) if f"/{i}/" in str(served)] == list(range(REGEX_BUDGET // LARGEST_PROGRAM // 2))


def header(regex: str) -> dict[str, str]:
    return {"type": "RegularExpression", "name": "x", "value": regex}


def test_a_thousand_everyday_regexes_are_no_problem():
    regexes = (f"/api/v[0-9]+/tenants/t{i}/(orders|items)/[^/]+/.*" for i in range(1000))
    assert not any(budget_problems([regexes]))


def test_a_regex_of_nearly_the_size_that_envoy_accepts_is_accepted():
    assert LARGEST_PROGRAM * 0.9 < re2.compile(LARGEST).programsize <= LARGEST_PROGRAM
    assert not regex_problem(LARGEST)
    assert "Envoy's limit" in regex_problem(LARGEST * 2)


def test_every_regex_of_a_virtual_service_counts():
    everywhere = {
        "match": [
            {
                **{field: {"regex": field} for field in ("uri", "scheme", "method", "authority")},
                **{field: {"x": {"regex": field}} for field in ("headers", "withoutHeaders", "queryParams")},
            }
        ],
        "rewrite": {"uriRegexRewrite": {"match": "rewrite", "rewrite": "/"}},
        "corsPolicy": {"allowOrigins": [{"regex": "origin"}]},
    }
    rule = msgspec.convert(everywhere, istio.HTTPRoute)
    assert sorted(regexes_of(rule)) == sorted(_regexes_below(everywhere))


def _regexes_below(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (value[key] for key in ("regex",) if key in value)
        if "rewrite" in value and isinstance(value.get("match"), str):
            yield value["match"]
        for inner in value.values():
            yield from _regexes_below(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _regexes_below(inner)
