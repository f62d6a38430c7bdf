"""The passes that make several routes of one, on routes of no input API."""

from collections.abc import Iterable

import msgspec
import pytest

from mirrorplane.api.actions import Answer, Cors, Destination, HeaderChanges, Headers, Redirect, Session
from mirrorplane.api.actions import UnmatchedPreflights as Unmatched
from mirrorplane.api.matches import Match, Op, StringMatch
from mirrorplane.api.meta import Ref
from mirrorplane.api.mirrors import COPY_HEADER, Mirror
from mirrorplane.api.routes import Branch, Forward, Route, Split
from mirrorplane.api.units import MILLION
from mirrorplane.translators.expansion.pipeline import expand

REF = Ref("Service", "default", "web")
WEB, OTHER = Forward((Destination("web"),)), Forward((Destination("other"),))
FAILING = Forward(())
CORS = Cors(origins=(StringMatch(Op.EXACT, "https://a.example"),), headers=("*",), credentials=True)
COOKIE = Session("sid", path="/shop", ttl_ms=60_000)


def route(action: Forward | Redirect | Answer | Split, **fields: object) -> Route:
    return msgspec.structs.replace(Route("r", Match(), action, REF), **fields)


def fractions(routes: Iterable[Route]) -> list[int]:
    return [each.match.fraction for each in routes]


PLAIN = [
    route(WEB),
    route(Answer(404)),
    route(Redirect(host="b.example")),
    route(WEB, cors=CORS),
    route(WEB, session=COOKIE),
    route(Split((Branch(WEB),)), session=Session("x-session", header=True)),
]


@pytest.mark.parametrize("plain", PLAIN)
def test_a_route_that_fits_into_one_of_envoys_stays_one(plain: Route):
    (expanded,) = expand(plain, "web.example")
    assert expanded == (route(WEB, session=plain.session) if isinstance(plain.action, Split) else plain)


def test_a_split_becomes_routes_whose_fractions_add_up_and_branches_without_weight_none():
    expanded = expand(route(Split((Branch(WEB, 1), Branch(Answer(500), 0), Branch(OTHER, 3)))), "*")
    assert [each.action for each in expanded] == [WEB, OTHER]
    assert fractions(expanded) == [MILLION // 4, MILLION]


def test_mirrors_of_a_branch_copy_their_fraction_of_its_share():
    mirrored = msgspec.structs.replace(OTHER, mirrors=(Mirror(Destination("copy"), REF, 100_000),))
    expanded = expand(route(Split((Branch(mirrored), Branch(mirrored)))), "*")
    assert [mirror.fraction for each in expanded for mirror in each.mirrors] == [50_000, 550_000]


def test_a_pinned_session_finds_its_branch_and_others_are_given_a_pin_after_the_routes_own_headers():
    own = Headers(response=HeaderChanges(add=(("x-served-by", "web"),)))
    split = Split(
        (Branch(WEB, 1, "default/web"), Branch(FAILING, 1, "default/lost"), Branch(OTHER, 0, "default/other"))
    )
    expanded = expand(route(split, session=COOKIE, headers=own), "*")
    assert [each.action for each in expanded] == [WEB, FAILING, OTHER, WEB, FAILING]
    assert all(each.match.headers[0].name == "cookie" for each in expanded[:3])
    assert [len(each.headers.response.add) for each in expanded] == [1, 1, 1, 2, 1], "no one is pinned to a failure"
    name, cookie = expanded[3].headers.response.add[1]
    assert (name, cookie.partition("=")[0]) == ("set-cookie", "sid-backend")
    assert cookie.endswith("; Path=/shop; HttpOnly; Max-Age=60")


def test_refused_preflights_come_first_and_are_never_split_nor_pinned():
    cors = msgspec.structs.replace(CORS, unmatched_preflights=Unmatched.REFUSE)
    split = Split((Branch(WEB, 1, "default/web"), Branch(OTHER, 1, "default/other")))
    refused, silent, *others = expand(route(split, cors=cors, session=COOKIE), "*")
    assert (refused.action, refused.cors, refused.session) == (Answer(403), None, None)
    assert (silent.action, silent.cors) == (OTHER, msgspec.structs.replace(cors, headers=()))
    assert refused.headers == silent.headers == Headers(), "a preflight begins no session"
    assert len(others) == 4
    without = msgspec.structs.replace(cors, credentials=False)
    assert len(expand(route(WEB, cors=without), "*")) == 2


def test_a_redirect_to_a_schemes_own_port_never_keeps_the_clients():
    redirect = route(Redirect(port=80, scheme_port=True))
    (at_host,) = expand(redirect, "web.example")
    assert at_host.action == Redirect(host="web.example")
    with_port, without = expand(redirect, "*.example")
    assert (with_port.action, with_port.match.headers[0].name) == (redirect.action, ":authority")
    assert (without.action, without.match) == (Redirect(), Match())


def test_redirects_of_branches_are_expanded_too():
    split = Split((Branch(Redirect(port=80, scheme_port=True)), Branch(WEB)))
    assert fractions(expand(route(split), "*")) == [MILLION // 2, MILLION // 2, MILLION]


MIRRORED = Forward((Destination("web"),), (Mirror(Destination("edge"), REF, 250_000, mark="0a1b2c3d4e"),))


@pytest.mark.parametrize(
    "source",
    [
        route(MIRRORED),
        route(Split((Branch(MIRRORED, 1), Branch(OTHER, 2), Branch(Answer(500), 1)))),
        route(Split((Branch(MIRRORED, 1, "default/web"), Branch(OTHER, 1, "default/other"))), session=COOKIE),
        route(MIRRORED, cors=msgspec.structs.replace(CORS, unmatched_preflights=Unmatched.REFUSE)),
    ],
    ids=["plain", "split", "pinned", "preflights"],
)
def test_a_copy_that_comes_back_is_routed_like_any_request_and_not_copied(source: Route):
    expanded = expand(source, "web.example")
    of_copies = [each for each in expanded if any(field.name == COPY_HEADER for field in each.match.headers)]
    of_others = [each for each in expanded if each not in of_copies]
    assert not any(each.mirrors for each in of_copies)
    once = source.map_forwards(
        lambda forward: msgspec.structs.replace(
            forward, mirrors=tuple(msgspec.structs.replace(mirror, mark="") for mirror in forward.mirrors)
        )
    )
    assert [msgspec.structs.replace(each, action=None) for each in of_others] == [
        msgspec.structs.replace(each, action=None) for each in expand(once, "web.example")
    ]
    unmirrored = source.map_forwards(lambda forward: msgspec.structs.replace(forward, mirrors=()))
    assert [each.action for each in of_copies] == [
        each.action for each in expand(unmirrored, "web.example") if not preflight(each)
    ]
    first_mirrored = next(index for index, each in enumerate(expanded) if each.mirrors)
    assert all(expanded.index(each) < first_mirrored for each in of_copies), "before what would copy it again"


def preflight(each: Route) -> bool:
    return any(field.name == "access-control-request-method" for field in each.match.headers)
