"""Names and wildcards by their endings: the same answers as by comparing all of them."""

from hypothesis import given
from hypothesis import strategies as st

from mirrorplane.api.hosts import by_ending, covered_hosts, covering_pattern, covers

HOSTS = st.lists(st.text("ab.*-", min_size=1, max_size=5).map(lambda text: text[0] + text[1:].replace("*", "a")))


@given(HOSTS, HOSTS)
def test_covering_pattern_finds_one_where_comparing_all_finds_some(patterns: list[str], hosts: list[str]):
    for host in hosts:
        covering = {pattern for pattern in patterns if covers(pattern, host)}
        assert covering_pattern(set(patterns), host) in (covering or {""})


@given(HOSTS, HOSTS)
def test_covered_hosts_are_those_that_comparing_all_finds(wildcards: list[str], hosts: list[str]):
    endings = by_ending(hosts)
    for wildcard in (name for name in wildcards if name.startswith("*")):
        assert sorted(covered_hosts(wildcard, endings)) == sorted(host for host in hosts if covers(wildcard, host))
