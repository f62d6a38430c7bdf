"""The matcher on Envoy's own messages, where the rules of the inputs do not lead: each case as Envoy does it."""

import pytest

from mirrorplane.api.tracing import HeaderEdit, MirrorOutcome, Request, Target, WeightedCluster
from mirrorplane.translators import envoy
from mirrorplane.translators.matching.decoded import DecodedResources
from mirrorplane.translators.matching.filters import preflight_reply
from mirrorplane.translators.matching.forwarding import NestedRoute, forward, mirror_authority
from mirrorplane.translators.matching.headers import apply_edits, request_edits
from mirrorplane.translators.matching.listeners import match_listener
from mirrorplane.translators.matching.outcome import match_problem
from mirrorplane.translators.matching.path_normalization import normalize_path
from mirrorplane.translators.matching.paths import path_problem, replace_prefix, replace_regex
from mirrorplane.translators.matching.redirects import location
from mirrorplane.translators.matching.virtual_hosts import find_virtual_host


def configuration(*domains: str, ignore_port: bool = False) -> envoy.RouteConfiguration:
    hosts = [envoy.VirtualHost(name=domain, domains=[domain]) for domain in domains]
    return envoy.RouteConfiguration(virtual_hosts=hosts, ignore_port_in_host_matching=ignore_port)


@pytest.mark.parametrize(
    ("authority", "expected"),
    [
        ("a.b.c", "a.b.c"),
        ("A.B.C", "a.b.c"),
        ("x.b.c", "*.b.c"),
        ("x.y.b.c", "*.b.c"),
        ("x.c", "*.c"),
        (".b.c", "*.c"),
        ("b.c", "*.c"),
        ("a.z", "a.*"),
        ("a.b.z", "a.b.*"),
        ("z", "*"),
        ("a.b.c:80", "a.b.*"),
        ("*", "*"),
    ],
)
def test_the_most_specific_name_has_the_request(authority: str, expected: str):
    match = find_virtual_host(configuration("*", "*.c", "*.b.c", "a.b.c", "a.*", "a.b.*"), authority)
    assert match is not None
    assert (match[0].name, match[1]) == (expected, expected)


def cors_route(policy: envoy.CorsPolicy) -> envoy.Route:
    route = envoy.Route()
    route.typed_per_filter_config["envoy.filters.http.cors"].Pack(policy)
    return route


def preflight_headers(policy: envoy.CorsPolicy, *request_headers: str) -> dict[str, str]:
    """What the reply to a preflight for PUT allows, without the common prefix of the names."""
    headers = [("origin", "https://a.b"), ("access-control-request-method", "PUT")]
    headers += [("access-control-request-headers", value) for value in request_headers]
    reply = preflight_reply(cors_route(policy), Request("web", "/", "OPTIONS", headers=tuple(headers)))
    assert reply is not None
    allowed = apply_edits((), reply.response_edits)
    return {name.removeprefix("access-control-allow-"): value for name, value in allowed}


@pytest.mark.parametrize("credentials", [False, True])
@pytest.mark.parametrize(
    ("methods", "headers", "request_headers", "expected"),
    [
        ("*", "*", (), {"methods": "PUT"}),
        ("*", "*", ("x-a, x-b",), {"methods": "PUT", "headers": "x-a, x-b"}),
        ("GET,*", "*", (), {"methods": "GET,*"}),
        ("GET", "x-a,*", ("x-b",), {"methods": "GET", "headers": "x-a,*"}),
    ],
)
def test_a_preflight_is_allowed_what_it_asks_for_where_the_policy_says_all(
    methods: str, headers: str, request_headers: tuple[str, ...], expected: dict[str, str], credentials: bool
):
    origin = envoy.StringMatcher(exact="https://a.b")
    policy = envoy.CorsPolicy(allow_origin_string_match=[origin], allow_methods=methods, allow_headers=headers)
    policy.allow_credentials.value = credentials
    with_credentials = {"credentials": "true"} if credentials else {}
    assert preflight_headers(policy, *request_headers) == {"origin": "https://a.b", **with_credentials, **expected}


@pytest.mark.parametrize("matcher", [envoy.StringMatcher(exact="*"), envoy.StringMatcher(prefix="*")])
def test_an_origin_that_matches_an_asterisk_matches_every_origin(matcher: envoy.StringMatcher):
    assert preflight_headers(envoy.CorsPolicy(allow_origin_string_match=[matcher])) == {"origin": "https://a.b"}


@pytest.mark.parametrize("authority", ["a:80", "a", "[::1]:80", "[::1]"])
def test_ports_do_not_count_where_the_configuration_says_so(authority: str):
    assert find_virtual_host(configuration("a", "[::1]", ignore_port=True), authority) is not None
    assert find_virtual_host(configuration("b", ignore_port=True), authority) is None


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a/../b", "/b"),
        ("/../x", "/x"),
        ("/a/..", "/"),
        ("/a/.", "/a/"),
        ("/a/.%2e/b", "/b"),
        ("/a//b", "/a//b"),
        ("/a\\b", "/a/b"),
        ("/a%5cb", "/a%5cb"),
        ("/%61%7E", "/a~"),
        ("/a%2Fb", "/a%2Fb"),
        ("/a|b^{}", "/a%7Cb%5E%7B%7D"),
        ("/a?x=/../%61", "/a?x=/../%61"),
        ("/a%ZZ", "/a%ZZ"),
        ("/a%00", None),
        ("/a#f", None),
        ("*", None),
    ],
)
def test_paths_are_normalised_as_envoy_was_seen_to_do(path: str, expected: str | None):
    assert normalize_path(path) == expected


@pytest.mark.parametrize(
    ("path", "holds"), [("/a", True), ("/a/b", True), ("/a?b", True), ("/ab", False), ("/", False)]
)
def test_a_separated_prefix_ends_at_a_slash(path: str, holds: bool):
    assert (path_problem(envoy.RouteMatch(path_separated_prefix="/a"), path) == "") is holds


def test_chance_in_a_match_needs_dice():
    match = envoy.RouteMatch(prefix="/")
    match.runtime_fraction.default_value.numerator = 10
    assert match_problem(match, Request("a", random_value=109)) == ""
    assert "10 of 100" in match_problem(match, Request("a", random_value=110))
    assert match_problem(match, Request("a")) == ""


@pytest.mark.parametrize(
    ("matcher", "values", "holds"),
    [
        (envoy.HeaderMatcher(name="x", present_match=True), ("1",), True),
        (envoy.HeaderMatcher(name="x", present_match=False), (), True),
        (envoy.HeaderMatcher(name="x", present_match=True, invert_match=True), ("1",), False),
        (envoy.HeaderMatcher(name="x", string_match=envoy.StringMatcher(suffix="b")), ("ab",), True),
        (
            envoy.HeaderMatcher(name="x", string_match=envoy.StringMatcher(contains="B", ignore_case=True)),
            ("abc",),
            True,
        ),
        (envoy.HeaderMatcher(name="x", string_match=envoy.StringMatcher(exact="1"), invert_match=True), (), False),
        (envoy.HeaderMatcher(name="x", string_match=envoy.StringMatcher(exact="1")), ("2", "1"), True),
        (envoy.HeaderMatcher(name="x", string_match=envoy.StringMatcher(exact="1,2")), ("1", "2"), False),
    ],
)
def test_headers(matcher: envoy.HeaderMatcher, values: tuple[str, ...], holds: bool):
    request = Request("a", headers=tuple(("x", value) for value in values))
    assert (match_problem(envoy.RouteMatch(prefix="/", headers=[matcher]), request) == "") is holds


@pytest.mark.parametrize(
    ("pattern", "substitution", "path", "expected"),
    [
        ("a*", "/-", "/baac?a", "/-//-b/-c/-?a"),
        ("(a)(b)?", r"<\1\2>", "/aab", "/<a><ab>"),
        ("^/([^/]*)", r"\0\0", "/x/y", "/x/x/y"),
        ("/", r"\\", "/a", "\\a"),
        ("none", "x", "/a?b", "/a?b"),
    ],
)
def test_substitutions_are_those_of_re2s_global_replace(pattern: str, substitution: str, path: str, expected: str):
    assert replace_regex(pattern, substitution, path) == expected


def test_a_prefix_is_rewritten_by_its_length_and_a_regex_as_a_whole():
    assert replace_prefix(envoy.RouteMatch(prefix="/AB"), "/abc?q", "/n") == "/nc?q"
    assert replace_prefix(envoy.RouteMatch(safe_regex=envoy.RegexMatcher(regex=".*")), "/abc?q", "/n") == "/n?q"


def test_changes_of_one_level_are_removals_then_settings_then_additions():
    option, route = envoy.HeaderValueOption, envoy.Route(request_headers_to_remove=["gone", "x-a"])
    for name, action in (
        ("x-a", option.OVERWRITE_IF_EXISTS_OR_ADD),
        ("x-b", option.OVERWRITE_IF_EXISTS),
        ("gone", option.OVERWRITE_IF_EXISTS),
        ("x-b", option.ADD_IF_ABSENT),
        ("x-c", option.ADD_IF_ABSENT),
        ("x-a", option.APPEND_IF_EXISTS_OR_ADD),
    ):
        route.request_headers_to_add.add(header=envoy.HeaderValue(key=name, value="100%%"), append_action=action)
    before = (("gone", "1"), ("x-a", "1"), ("x-b", "1"), ("x-b", "2"))
    assert apply_edits(before, request_edits([route])) == (
        ("x-a", "100%"), ("x-b", "100%"), ("x-a", "100%"), ("x-c", "100%"),
    )  # fmt: skip


def test_an_empty_value_is_added_only_where_that_is_said():
    route = envoy.Route()
    for name, keep in (("x-a", False), ("x-b", True)):
        route.request_headers_to_add.add(header=envoy.HeaderValue(key=name), keep_empty_value=keep)
    assert request_edits([route]) == (HeaderEdit(add=(("x-b", ""),)),)


@pytest.mark.parametrize(
    ("redirect_action", "request_", "expected"),
    [
        (envoy.RedirectAction(https_redirect=True), Request("a:80", "/x?q"), "https://a/x?q"),
        (envoy.RedirectAction(https_redirect=True), Request("a:81", "/x"), "https://a:81/x"),
        (envoy.RedirectAction(https_redirect=True), Request("[::1]:80", "/"), "https://[::1]/"),
        (envoy.RedirectAction(port_redirect=8), Request("[::1]:80", "/"), "http://[::1]:8/"),
        (envoy.RedirectAction(strip_query=True), Request("a", "/x?q"), "http://a/x"),
        (envoy.RedirectAction(path_redirect="/n?z"), Request("a", "/x?q"), "http://a/n?z"),
        (envoy.RedirectAction(host_redirect="b"), Request("a:80", "/x"), "http://b/x"),
    ],
)
def test_where_redirects_lead(redirect_action: envoy.RedirectAction, request_: Request, expected: str):
    assert location(redirect_action, envoy.RouteMatch(prefix="/"), request_) == expected


@pytest.mark.parametrize(
    ("authority", "expected"),
    [("a", "a-shadow"), ("a:80", "a-shadow:80"), ("[::1]:80", "[::1]-shadow:80"), ("[::1]", "[::1]-shadow")],
)
def test_the_suffix_of_a_copy_stands_before_the_port(authority: str, expected: str):
    target = Target("c", "h", 80, "", 1, 1, "/", authority)
    assert mirror_authority(MirrorOutcome("c", "h", 80, "", 1, 1, shadow_suffix=True), target) == expected
    assert mirror_authority(MirrorOutcome("c", "h", 80, "", 1, 1, shadow_suffix=False), target) == authority


def test_mirrors_and_retries_of_the_nearest_level_that_has_some_hold():
    host = envoy.VirtualHost()
    host.request_mirror_policies.add(cluster="of the host")
    host.retry_policy.retry_on = "5xx"
    place = NestedRoute(envoy.Route(route=envoy.RouteAction(cluster="c")), host, envoy.RouteConfiguration())
    forwarded = forward(DecodedResources({}, {}, {}, {}), place, Request("a", random_value=5))
    assert [(copy.cluster, copy.numerator, copy.denominator) for copy in forwarded.mirrors] == [("of the host", 1, 1)]
    assert (forwarded.retry_on, forwarded.retries, forwarded.timeout_ms) == ("5xx", 1, 15_000)
    assert [target.problem for target in forwarded.targets] == ["cluster c does not exist"]
    assert [copy.fires for copy in forwarded.mirrors] == [False], "what is not sent is not copied"


def test_a_port_that_looks_at_bytes_sends_tls_to_its_default_chain():
    listener = envoy.Listener()
    listener.address.socket_address.port_value = 9
    chain = listener.filter_chains.add()
    chain.filter_chain_match.application_protocols.append("http/1.1")
    chain.filter_chain_match.transport_protocol = "raw_buffer"
    manager = envoy.HttpConnectionManager(rds=envoy.Rds(route_config_name="9"))
    chain.filters.add(typed_config=envoy.packed(manager))
    bytes_ = listener.default_filter_chain.filters.add()
    bytes_.typed_config.CopyFrom(envoy.packed(envoy.TcpProxy(cluster="raw")))
    decoded_resources = DecodedResources({"l": listener}, {"9": envoy.RouteConfiguration(name="9")}, {}, {})
    plain, tls = (
        match_listener(decoded_resources, Request("a", port=9)),
        match_listener(decoded_resources, Request("a", port=9, tls=True)),
    )
    assert plain is not None
    assert tls is not None
    raw = WeightedCluster("raw", 1, 1, "cluster raw does not exist")
    assert (plain.l4_clusters, plain.routes, tls.l4_clusters) == ((), decoded_resources.configurations["9"], (raw,))
    assert match_listener(decoded_resources, Request("a", port=10)) is None
