"""Which features a version of Envoy has, and that the reference page says the same."""

import re

import pytest

from mirrorplane.api.envoy_features import BODY_SIZE_LIMIT, FEATURES, SUPPORTED, find_feature, missing_features
from mirrorplane.translators.envoy_versions import release_text, version_findings
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "reference" / "envoy-versions.md").read_text()
LIMIT = BODY_SIZE_LIMIT.name


@pytest.mark.parametrize(
    ("version", "missing"),
    [
        *((f"1.{minor}.9", (LIMIT,)) for minor in (20, 36, 37, 38, 39)),
        *((version, ()) for version in ("1.40.0", "1.40", "1.41.2", "2.0.0", "1.40.1-dev")),
        ("1.40.0-dev", (LIMIT,)),  # perhaps from before the feature
        ("1.41.0-dev", ()),
        *((version, ()) for version in ("", "latest", "1", "v1.38.3", "1.38.3 and more")),  # no version of Envoy
    ],
)
def test_a_version_has_what_its_release_brought(version: str, missing: tuple[str, ...]):
    assert missing_features(version) == missing


def test_what_a_build_lists_counts_more_than_its_version():
    assert missing_features("1.40.0", ()) == (LIMIT,)
    assert missing_features("1.39.3", (BODY_SIZE_LIMIT.upstream_filter,)) == ()


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table after a heading of the page."""
    text = PAGE.partition(f"# {heading}\n")[2].partition("\n#")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_page_has_the_supported_versions_and_what_each_lacks():
    matrix = {cells[0]: cells[2] for cells in rows("Envoy versions")}
    assert list(matrix) == [release_text(release) for release in reversed(SUPPORTED)]
    for version, text in matrix.items():
        assert re.findall(r"`(\w+)`", text) == list(missing_features(version)), version


def test_the_page_says_of_each_feature_what_the_finding_says():
    assert rows("What is weaker") == [[f"`{f.name}`", release_text(f.since), f.effect] for f in FEATURES]


def test_findings_are_about_the_version():
    [finding] = version_findings("1.38.3", missing_features("1.38.3"))
    assert (str(finding.about), finding.reason) == ("Envoy 1.38.3", "EnvoyFeatureMissing")
    assert finding.message.endswith(find_feature(LIMIT).effect)
    assert [f.reason for f in version_findings("1.35.0", (LIMIT,))] == ["EnvoyNotSupported", "EnvoyFeatureMissing"]
    assert [*version_findings("1.40.0", ()), *version_findings("1.99.0", ()), *version_findings("", ())] == []
