"""What is done for one of several backends: shares that become routes, and what is copied of each."""

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from mirrorplane.api.resource import ResourceSet
from mirrorplane.controlplane.query.explanation import explain
from mirrorplane.translators.expansion.weighted_split import Share, shares
from tests.builders import rendered
from tests.gateway_manifests import EDGE, gateway, path, route, services
from tests.traffic_language import ask, brief

MILLION = 1_000_000
HOST = "http://web.example.com"


def mirrored(name: str = "copy", **share: Any) -> dict[str, Any]:
    return {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": name, "port": 8000}, **share}}


def moved(host: str) -> dict[str, Any]:
    return {"type": "RequestRedirect", "requestRedirect": {"hostname": host}}


def rewritten(**spec: Any) -> dict[str, Any]:
    return {"type": "URLRewrite", "urlRewrite": spec}


def below(prefix: str) -> dict[str, str]:
    return {"type": "ReplacePrefixMatch", "replacePrefixMatch": prefix}


def backend(name: str, *filters: dict[str, Any], weight: int = 1) -> dict[str, Any]:
    return {"name": name, "port": 8000, "weight": weight, "filters": list(filters)}


async def served(*backends: dict[str, Any], filters: tuple[dict[str, Any], ...] = ()) -> ResourceSet:
    rule = {"matches": [path("/a")], "backendRefs": list(backends), "filters": list(filters)}
    return await rendered("---\n".join([gateway({}), route("web", rule), services("web", "other", "copy")]), EDGE)


def thrown(expected: ResourceSet) -> Counter[str]:
    """What becomes of a thousand requests whose numbers are spread evenly."""
    return Counter(brief(ask(expected, f"GET {HOST}/a/b", random_value=i * 1000)) for i in range(1000))


ONE = [
    (backend("web", rewritten(path=below("/x"))), "web as /x/b"),
    (backend("web", rewritten(hostname="h.example", path=below("/x"))), "web as h.example/x/b"),
    (backend("web", moved("h.example")), "302 http://h.example/a/b"),
    (backend("web", mirrored(percent=25)), "web; copy 25 %"),
    (backend("missing", moved("h.example")), "302 http://h.example/a/b"),
    (backend("missing", mirrored()), "500"),
    (backend("web", moved("h.example"), mirrored()), "302 http://h.example/a/b"),
]


@pytest.mark.parametrize(("spec", "expected"), ONE)
async def test_filters_of_an_only_backend_apply_to_all_requests(spec: dict[str, Any], expected: str):
    assert brief(ask(await served(spec), f"GET {HOST}/a/b")) == expected


async def test_what_a_backend_says_goes_before_what_its_rule_says():
    both = rewritten(hostname="all.example", path=below("/all"))
    specs = backend("web", rewritten(path=below("/x"))), backend("other", rewritten(hostname="h.example"), weight=0)
    assert brief(ask(await served(*specs, filters=(both,)), f"GET {HOST}/a/b")) == "web as all.example/x/b"


async def test_several_backends_get_their_shares_each_in_its_own_way():
    resources = thrown(
        await served(
            backend("web", rewritten(path=below("/x")), weight=5),
            backend("other", weight=2),
            backend("web", moved("h.example"), weight=2),
            backend("missing", weight=1),
        )
    )
    assert resources == {"web as /x/b": 500, "other": 200, "302 http://h.example/a/b": 200, "500": 100}


async def test_mirrors_copy_their_fraction_of_every_share():
    backend_mirror, rule_mirror = mirrored("copy", percent=25), mirrored("other", percent=50)
    backends = backend("web", backend_mirror, weight=8), backend("other", weight=2)
    assert thrown(await served(*backends, filters=(rule_mirror,))) == {
        "web; other yes; copy yes": 200,
        "web; other yes; copy no": 200,
        "web; other no; copy no": 400,
        "other; other yes": 100,
        "other; other no": 100,
    }


async def test_what_cannot_be_done_for_one_backend_fails_its_share():
    cors = {"type": "CORS", "cors": {"allowOrigins": ["*"]}}
    specs = backend("web", cors), backend("other", mirrored(percent=0))
    assert thrown(await served(*specs)) == {"500": 500, "other": 500}


@pytest.mark.parametrize("weights", [(1,), (1, 1, 1), (1, 0, 999_999), (3, 3, 3, 1), (1_000_000, 1), (1,) * 16])
def test_shares_leave_nothing_over(weights: tuple[int, ...]):
    split = shares(weights)
    assert (split[0].start, split[-1].end) == (0, MILLION)
    assert all(entry.end == neighbour.start for entry, neighbour in pairwise(split))
    for weight, share in zip(weights, split, strict=True):
        assert abs((share.end - share.start) / MILLION - weight / sum(weights)) <= 1 / MILLION


async def test_explain_says_that_a_route_is_not_for_all():
    result = ask(await served(backend("web", moved("h.example")), backend("other", weight=3)), f"GET {HOST}/a")
    reported = explain(result, lambda *_: None).lines()
    assert any("applies to 25 % of the requests: the rest tries the next matching route" in line for line in reported)
    outcome = ask(await served(backend("web")), f"GET {HOST}/a")
    assert not any("applies to" in line for line in explain(outcome, lambda *_: None).lines())


def test_a_mirror_of_nothing_copies_nothing():
    assert Share(500_000, MILLION).threshold(0) == 0
    assert Share(500_000, MILLION).threshold(MILLION) == MILLION
    assert Share(500_000, MILLION).threshold(200_000) == 600_000
