"""Durations, percentages and host names as users write them."""

import pytest

from mirrorplane.api.hosts import candidates, covers, exported, fqdn, host_problem, is_ip
from mirrorplane.api.proxy import NodeIdError, Proxy, Scope, Visibility, parse_node_id
from mirrorplane.api.units import duration_text, millionths, milliseconds, size_text, whole_number
from mirrorplane.translators.parts.domains import domains, with_port
from mirrorplane.translators.port_protocols import protocol_of_port


@pytest.mark.parametrize(
    ("text", "ms"),
    [("5s", 5000), ("1.5s", 1500), ("250ms", 250), ("1h2m3s", 3_723_000), ("0s", 0), ("1000us", 1), ("2500000ns", 2)],
)
def test_a_duration_is_read_as_istio_writes_it(text: str, ms: int):
    assert milliseconds(text) == ms


@pytest.mark.parametrize("text", ["0ms", "250ms", "1s", "1.5s", "15s", "1234.567s", "1000000s", "31536000s"])
def test_a_duration_is_written_with_all_its_digits(text: str):
    assert duration_text(milliseconds(text)) == text


@pytest.mark.parametrize(
    ("size", "text"), [(12, "12 bytes"), (1536, "1.5 KiB"), (1 << 20, "1 MiB"), (3 << 30, "3 GiB")]
)
def test_a_size_is_written_in_the_largest_unit(size: int, text: str):
    assert size_text(size) == text


@pytest.mark.parametrize(
    "text", ["", "5", "s", "5 s", "-5s", "5sec", "1µ", "10us", "1s2", "8761h", "9" * 400 + "s", "\uff19s"]
)
def test_what_is_no_duration_is_refused(text: str):
    with pytest.raises(ValueError, match=r"is not a duration|is shorter than 1ms|is longer than a year"):
        milliseconds(text)


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("8000", 8000), ("007", 7), ("", None), ("-1", None)])
def test_a_whole_number_has_digits_only(text: str, number: int | None):
    assert whole_number(text) == number


@pytest.mark.parametrize("text", ["²", "٣", "9" * 5000, "1_0", " 1", "1\n"])
def test_what_int_reads_or_raises_for_is_no_whole_number(text: str):
    assert whole_number(text) is None


@pytest.mark.parametrize(
    ("percent", "parts"),
    [
        (0, 0),
        (0.0001, 1),
        (0.00005, 0),
        (0.1, 1000),
        (12.3, 123_000),
        (12.5, 125_000),
        (33.3333, 333_333),
        (100, 1_000_000),
    ],
)
def test_a_percentage_is_counted_in_millionths_toward_zero(percent: float, parts: int):
    assert millionths(percent) == parts


def test_a_short_name_is_completed_with_the_namespace_of_the_object_that_says_it():
    assert fqdn("reviews", "prod") == "reviews.prod.svc.cluster.local"
    assert fqdn("Reviews", "prod") == "reviews.prod.svc.cluster.local"
    assert fqdn("Api.Example.com.", "prod") == "api.example.com"
    for taken_literally in ("reviews.prod", "*", "*.com", "10.0.0.1", "::1", ""):
        assert fqdn(taken_literally, "prod") == taken_literally


def test_the_names_that_can_speak_of_a_host_go_from_specific_to_general():
    assert candidates("a.b.c") == ("a.b.c", "*.b.c", "*.c", "*")
    assert candidates("*.b.c") == ("*.b.c", "*.c", "*")
    assert candidates("single") == ("single", "*")
    assert candidates("*") == ("*",)


def test_a_wildcard_covers_what_is_below_it_and_not_itself():
    assert covers("*.foo.com", "a.foo.com")
    assert covers("*.foo.com", "a.b.foo.com")
    assert not covers("*.foo.com", "foo.com")
    assert not covers("*.foo.com", "afoo.com")
    assert covers("*", "anything")
    assert covers("foo.com", "foo.com")
    assert not covers("foo.com", "a.foo.com")


def test_a_partial_wildcard_covers_every_name_with_its_suffix():
    assert covers("*-shadow", "web-shadow")
    assert covers("*-shadow", "web.example.com-shadow")
    assert covers("*foo.com", "foo.com")
    assert covers("*foo.com", "*.foo.com")
    assert not covers("*.foo.com", "*foo.com")
    assert not covers("*-shadow", "web-shadow.example.com")


def test_partial_wildcards_take_their_place_by_length_among_the_names_that_cover_a_host():
    partial = {"*-v1.b.c", "*c", "*-v2.b.c"}
    assert candidates("a-v1.b.c", partial) == ("a-v1.b.c", "*-v1.b.c", "*.b.c", "*.c", "*c", "*")
    assert candidates("*-v1.b.c", partial) == ("*-v1.b.c", "*.b.c", "*.c", "*c", "*")
    assert candidates("a.example", partial) == candidates("a.example")


@pytest.mark.parametrize("host", ["*", "*.foo.com", "*foo.com", "*-foo.bar.com", "*-shadow", "web"])
def test_a_wildcard_is_valid_at_the_start_of_a_host(host: str):
    assert not host_problem(host)


@pytest.mark.parametrize("host", ["**", "*-", "*.", "foo*", "*.*.com", "*--foo.com", "*-.com", "*..com"])
def test_a_wildcard_elsewhere_is_invalid(host: str):
    assert "is not a valid host" in host_problem(host)


def test_export_to_says_who_may_see():
    assert exported(("*",), "a", "b")
    assert exported((".",), "a", "a")
    assert not exported((".",), "a", "b")
    assert exported(("b", "c"), "a", "b")
    assert not exported(("~",), "a", "a")


def test_an_ip_is_told_from_a_name():
    assert is_ip("10.0.0.1")
    assert is_ip("fd00::1")
    assert not is_ip("10.0.0")
    assert not is_ip("web")


@pytest.mark.parametrize(
    ("number", "name", "app_protocol", "spoken"),
    [
        (80, "http", "", "http"),
        (80, "http-web", "", "http"),
        (80, "HTTP2-x", "", "http2"),
        (80, "grpc", "", "http2"),
        (80, "grpc-web-x", "", "http"),
        (80, "https", "", "tls"),
        (80, "web", "", "auto"),
        (80, "", "", "auto"),
        (3306, "", "", "tcp"),
        (3306, "http", "", "http"),
        (80, "tcp", "http", "http"),
        (80, "tcp", "kubernetes.io/h2c", "http2"),
        (80, "http", "example.com/unknown", "http"),
    ],
)
def test_a_port_speaks_what_istio_says(number: int, name: str, app_protocol: str, spoken: str):
    assert protocol_of_port(number, name, app_protocol).value == spoken


def test_short_names_of_another_namespace_need_the_namespace():
    host = "web.blue.svc.cluster.local"
    local = domains(host, ("10.0.0.1", "fd00::A", "0.0.0.0", "10.0.0.0/8"), Scope("sidecar", Visibility("blue")))
    assert local == (host, f"{host}.", "web", "web.blue.svc", "web.blue", "10.0.0.1", "[fd00::a]")
    foreign = domains(host, (), Scope("sidecar", Visibility("red")))
    assert foreign == (host, f"{host}.", "web.blue", "web.blue.svc")


def test_hosts_outside_the_cluster_have_no_short_names():
    assert domains("example.com", (), Scope("sidecar", Visibility("red"))) == ("example.com", "example.com.")
    assert domains("*.example.com", (), Scope("sidecar", Visibility("red"))) == ("*.example.com",)
    assert domains("192.0.2.1", (), Scope("sidecar", Visibility("red"))) == ("192.0.2.1",)


def test_clients_of_an_http_proxy_say_the_port_unless_it_is_80():
    assert with_port(("a", "b"), 80) == ("a", "a:80", "b", "b:80")
    assert with_port(("a", "b"), 81) == ("a:81", "b:81")


def test_a_node_id_is_read_and_written_in_istios_form():
    proxy = Proxy("sidecar", "sleep-1.x", "default", ip="10.0.0.7", domain="example.org")
    assert proxy.id == "sidecar~10.0.0.7~sleep-1.x.default~default.svc.example.org"
    assert parse_node_id(proxy.id) == ("sidecar", "10.0.0.7", "sleep-1.x", "default", "example.org")
    assert parse_node_id("router~10.0.0.7~gw.ns~ns.svc.cluster.local")[0] == "router"


@pytest.mark.parametrize(
    "text", ["", "sidecar", "sidecar~1~a.b", "sidecar~~a.b~c", "waypoint~1~a.b~c", "sidecar~::1~ab~c", "sidecar~x~a.b"]
)
def test_a_node_id_of_another_form_is_refused_by_name(text: str):
    with pytest.raises(NodeIdError, match="node id"):
        parse_node_id(text)
