"""Which addresses of endpoints lead to the machine of the proxy that dials them."""

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirrorplane.api.local_addresses import entry_problem, is_listed, local_kind

LOCAL = (
    *("127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "::ffff:7f00:1", "0:0:0:0:0:0:0:1"),
    *("0.0.0.0", "::", "169.254.169.254", "169.254.0.1", "fe80::1", "::ffff:169.254.169.254"),
    *("224.0.0.1", "ff02::1", "100.100.100.200", "168.63.129.16", "fd00:ec2::254", "fd00:ec2::23"),
    *(
        "localhost",
        "LOCALHOST.",
        "a.localhost",
        "ip6-localhost",
        "metadata.google.internal",
        "Metadata.Google.Internal.",
    ),
    *("127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1", "unix:///run/a.sock", "unix://@abstract"),
)
REMOTE = (
    *("10.0.0.1", "192.168.0.1", "172.16.0.1", "100.64.0.1", "8.8.8.8", "fd00::1", "2001:db8::1", "::ffff:10.0.0.1"),
    *("example.com", "localhost.example.com", "notlocalhost", "vm1", "a.b.c1", "metadata.example.com", "v1.0x.example"),
)


@pytest.mark.parametrize("address", LOCAL)
def test_a_local_address_is_recognised_however_it_is_spelled(address: str):
    assert local_kind(address)
    assert not is_listed(address, ("10.0.0.0/8", "unix:///other/", "other.localhost"))


@pytest.mark.parametrize("address", REMOTE)
def test_other_addresses_are_not_local(address: str):
    assert local_kind(address) == ""


@pytest.mark.parametrize(
    ("address", "entry", "listed"),
    [
        ("127.0.0.9", "127.0.0.0/8", True),
        ("::ffff:127.0.0.9", "127.0.0.0/8", True),
        ("127.0.0.9", "127.0.0.1", False),
        ("::1", "127.0.0.0/8", False),
        ("Localhost.", "localhost", True),
        ("a.localhost", "localhost", False),
        ("unix:///run/app/a.sock", "unix:///run/app/", True),
        ("unix:///run/app/../docker.sock", "unix:///run/app/", False),
        ("unix:///run/docker.sock", "unix:///run/app/", False),
    ],
)
def test_an_entry_allows_what_it_names_and_no_more(address: str, entry: str, listed: bool):
    assert entry_problem(entry) == ""
    assert is_listed(address, (entry,)) is listed


@given(st.ip_addresses(v=4))
def test_the_short_way_for_usual_addresses_agrees_with_the_parsing(ip: IPv4Address):
    assert local_kind(str(ip)) == local_kind(f"::ffff:{ip}"), "which is parsed"
