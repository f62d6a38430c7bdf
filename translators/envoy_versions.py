"""What a proxy's version of Envoy means for those who run it, as findings about the version: many proxies share it."""

from collections.abc import Iterable, Iterator

from mirrorplane.api.envoy_features import SUPPORTED, find_feature, parse_version
from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.meta import Ref


def version_findings(version: str, missing_features: Iterable[str]) -> Iterator[Finding]:
    """Yield what is weaker at proxies of a version that lack some features, and whether the version is supported."""
    about, newest = Ref("Envoy", "", version or "of an unknown version"), release_text(SUPPORTED[-1])
    fix = f"upgrade the proxies to Envoy {newest}; `mirrorplane proxies` lists their versions"
    release = parse_version(version)
    if release is not None and release < SUPPORTED[0]:
        oldest = release_text(SUPPORTED[0])
        message = f"older than Envoy {oldest}, the oldest that is supported: it may reject what it is served"
        yield Finding(about, "EnvoyNotSupported", message, severity=Severity.WARNING, fix=fix)
    for feature in map(find_feature, missing_features):
        message = f"lacks {feature.name}, which came with Envoy {release_text(feature.since)}: {feature.effect}"
        yield Finding(about, "EnvoyFeatureMissing", message, severity=Severity.WARNING, fix=fix)


def release_text(release: tuple[int, int]) -> str:
    """Return a release as it is written: `1.40`."""
    return ".".join(map(str, release))
