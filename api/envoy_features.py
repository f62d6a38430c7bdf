"""What our configuration needs of an Envoy that not every supported version has: data, and who lacks what.

The only place that knows versions. Everything else asks whether a Scope lacks a feature, so that proxies of different
versions share all work unless it matters. See decision 0144.
"""

import re
from collections.abc import Collection

import msgspec

Minor = tuple[int, int]

SUPPORTED: tuple[Minor, ...] = ((1, 36), (1, 37), (1, 38), (1, 39), (1, 40))
"""The minor versions that the tests run, oldest first."""

UPSTREAM_FILTERS = "envoy.filters.http.upstream"
"""The category under which a Node lists the HTTP filters that clusters may have."""

_VERSION = re.compile(r"(\d{1,9})\.(\d{1,9})(?:\.(\d{1,9})(?:-([\w.-]+))?)?")


class EnvoyFeature(msgspec.Struct, frozen=True):
    """A feature by its name, the version that brought it, and the upstream HTTP filter that it is.

    `effect` is what an Envoy without it does instead, and what that means for users.
    """

    name: str
    since: Minor
    upstream_filter: str
    effect: str


BODY_SIZE_LIMIT = EnvoyFeature(
    name="body_size_limit",
    since=(1, 40),
    upstream_filter="envoy.filters.http.body_size_limit",
    effect=(
        "copies of gRPC streams and WebSockets are held until the client has closed them, and dropped at the mirror's"
        " deadline"
    ),
)
FEATURES = (BODY_SIZE_LIMIT,)


def parse_version(text: str) -> Minor | None:
    """Return the release whose features a version has: `1.38.3`, `1.38`, `1.40.0-dev`; None for anything else.

    What is built between two releases calls itself `1.40.0-dev`, and may have what 1.40 brings or not: it counts as the
    release before. `1.38.4-dev` is what follows 1.38.3.
    """
    match = _VERSION.fullmatch(text)
    if match is None:
        return None
    major, minor, patch, label = match.groups()
    is_snapshot = label is not None and int(patch) == 0
    return int(major), int(minor) - is_snapshot


def missing_features(version: str, upstream_filters: Collection[str] | None = None) -> tuple[str, ...]:
    """Return the names of the features that an Envoy lacks, sorted.

    The filters that its Node lists decide, since builds may leave some out; without a list (None) its version does. An
    Envoy always says its version: a client without one is none, and is served what the newest Envoy is.
    """
    if upstream_filters is not None:
        return tuple(sorted(f.name for f in FEATURES if f.upstream_filter not in upstream_filters))
    release = parse_version(version)
    return () if release is None else tuple(sorted(f.name for f in FEATURES if release < f.since))


def find_feature(name: str) -> EnvoyFeature:
    """Return the feature of a name. Raises StopIteration for a name that is none."""
    return next(feature for feature in FEATURES if feature.name == name)
