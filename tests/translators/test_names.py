"""Names of clusters are read back as they were written, and none of them is that of another cluster."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirrorplane.api.meta import Ref
from mirrorplane.api.mirrors import MirrorProfile, profile_owner
from mirrorplane.translators.names import ClusterName, Purpose, Transport, parse_cluster

WRITTEN = {
    "outbound|8000|v1|web.default.svc.cluster.local": (Purpose.OUTBOUND, Transport.PORT),
    "http2|8000|v1|web.default.svc.cluster.local": (Purpose.OUTBOUND, Transport.HTTP2),
    "udp|8000|v1|web.default.svc.cluster.local": (Purpose.OUTBOUND, Transport.UDP),
    "inbound|8000|v1|web.default.svc.cluster.local": (Purpose.INBOUND, Transport.PORT),
    "mirror|8000|v1|web.default.svc.cluster.local": (Purpose.MIRROR, Transport.PORT),
    "mirror-http2|8000|v1|web.default.svc.cluster.local": (Purpose.MIRROR, Transport.HTTP2),
    "sealed|8000|v1|web.default.svc.cluster.local": (Purpose.PASSTHROUGH, Transport.PORT),
}
text = st.text(st.characters(exclude_characters="|"))
labels = st.from_regex(r"[a-z0-9]([-a-z0-9.]{0,20}[a-z0-9])?", fullmatch=True)
refs = st.builds(Ref, st.sampled_from(["Pod", "mirrorplane.io/MirrorPolicy"]), st.just("") | labels, labels)
profiles = st.builds(MirrorProfile, refs, st.just("") | labels)
names = st.builds(
    ClusterName,
    st.sampled_from(Purpose),
    st.sampled_from(Transport),
    st.integers(0, 65535),
    text,
    text,
    st.just("") | profiles.map(lambda profile: profile.name),
)


@given(names)
def test_a_name_is_read_back_as_it_was_written(name: ClusterName):
    assert parse_cluster(str(name)) == name


@given(names, names)
def test_no_two_clusters_share_a_name(cluster_name: ClusterName, second: ClusterName):
    assert (str(cluster_name) == str(second)) == (cluster_name == second)


@pytest.mark.parametrize("written", WRITTEN)
def test_names_are_those_that_proxies_have(written: str):
    name = ClusterName(*WRITTEN[written], 8000, "v1", "web.default.svc.cluster.local")
    assert (str(name), parse_cluster(written)) == (written, name)


def test_a_profile_is_the_last_field():
    profile = MirrorProfile(Ref("mirrorplane.io/MirrorPolicy", "shop", "careful"), "cart").name
    name = ClusterName(Purpose.MIRROR, Transport.PORT, 80, "", "web", profile)
    assert str(name) == "mirror|80||web|mirrorplane.io/MirrorPolicy/shop/careful#cart"


@pytest.mark.parametrize(
    "name",
    [
        *("PassthroughCluster", "outbound|80", "outbound|x||web", "shadow|80||web", ""),
        *("outbound|²||web", "outbound|08||web", f"outbound|{'9' * 5000}||web"),
    ],
)
def test_other_names_are_none(name: str):
    assert parse_cluster(name) is None


@given(refs, st.just("") | labels)
def test_a_profiles_name_says_which_object_declares_it(ref: Ref, section: str):
    assert profile_owner(MirrorProfile(ref, section).name) == ref
    assert profile_owner(MirrorProfile().name) is None
