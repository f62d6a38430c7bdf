"""What a change does to a proxy: the resources that differ, and the requests whose outcome does.

See decision 0137.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from mirrorplane.api.tracing import Outcome, Request
from mirrorplane.controlplane.query.explanation_format import effect_lines, request_line
from mirrorplane.controlplane.query.resources import decoded_values
from mirrorplane.translators.matching.decoded import DecodedResources
from mirrorplane.translators.matching.outcome import trace_request
from mirrorplane.translators.matching.samples import sample_requests

Values = Mapping[str, list[dict[str, Any]]]
"""The resources that a proxy is served, as plain values by type: what `mirrorplane render` prints."""
ADDED, REMOVED, CHANGED = "added", "removed", "changed"
_SIGNS = {ADDED: "+", REMOVED: "-", CHANGED: "~"}
_MOST_SAMPLES = 5000


class ResourceDifference(msgspec.Struct, frozen=True):
    """A resource that is added, removed or changed."""

    type: str
    name: str
    change: str


class RequestDifference(msgspec.Struct, frozen=True):
    """A request whose outcome differs: the lines of `explain` before and after that the other side lacks."""

    request: str
    before: tuple[str, ...]
    after: tuple[str, ...]


class ProxyDifference(msgspec.Struct, frozen=True):
    """What differs for one proxy. `unsampled` counts the requests that were too many to be compared."""

    proxy: str
    scope: str
    resources: tuple[ResourceDifference, ...]
    requests: tuple[RequestDifference, ...]
    unsampled: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing differs."""
        return not (self.resources or self.requests)


def compare(proxy: str, scope: str, before: Values, after: Values) -> ProxyDifference:
    """Return what differs between two sets of resources. Raises ValueError for values that are no resources."""
    resources = tuple(_resource_differences(before, after))
    if not resources:
        return ProxyDifference(proxy, scope, (), ())
    old, new = decoded_values(before), decoded_values(after)
    samples = list(dict.fromkeys((*sample_requests(old), *sample_requests(new))))
    requests = tuple(_request_differences(samples[:_MOST_SAMPLES], old, new))
    return ProxyDifference(proxy, scope, resources, requests, len(samples[_MOST_SAMPLES:]))


def difference_lines(differences: Iterable[ProxyDifference]) -> Iterator[str]:
    """Yield the lines for people: those of proxies for which the same differs once, none where nothing differs."""
    groups: dict[tuple[Any, ...], list[ProxyDifference]] = {}
    for difference in differences:
        if not difference.is_empty:
            key = (difference.scope, difference.requests, difference.resources, difference.unsampled)
            groups.setdefault(key, []).append(difference)
    for group in groups.values():
        names = ", ".join(difference.proxy for difference in group)
        yield f"{'proxy' if len(group) == 1 else 'proxies'} {names} ({group[0].scope})"
        yield from _lines(group[0])


def _lines(difference: ProxyDifference) -> Iterator[str]:
    for request in difference.requests:
        yield f"  {request.request}"
        yield from (f"    - {line}" for line in request.before)
        yield from (f"    + {line}" for line in request.after)
    if difference.resources and not difference.requests:
        yield "  no sampled request is affected"
    if difference.unsampled:
        yield f"  {difference.unsampled} more requests were not compared"
    for resource in difference.resources:
        yield f"  {_SIGNS[resource.change]} {resource.type} {resource.name}"


def unified_lines(proxy: str, before: Values, after: Values) -> Iterator[str]:
    """Yield the differences of the resources as a unified diff of YAML."""
    import yaml

    for difference in _resource_differences(before, after):
        old, new = (
            yaml.safe_dump(value, sort_keys=False).splitlines() if value is not None else []
            for value in (_by_name(side.get(difference.type, ())).get(difference.name) for side in (before, after))
        )
        name = f"{proxy}/{difference.type}/{difference.name}"
        yield from difflib.unified_diff(old, new, f"before/{name}", f"after/{name}", lineterm="")


def _resource_differences(before: Values, after: Values) -> Iterator[ResourceDifference]:
    for type_name in dict.fromkeys((*before, *after)):
        old, new = _by_name(before.get(type_name, ())), _by_name(after.get(type_name, ()))
        for name in sorted(old.keys() | new.keys()):
            if old.get(name) != new.get(name):
                change = ADDED if name not in old else REMOVED if name not in new else CHANGED
                yield ResourceDifference(type_name, name, change)


def _by_name(values: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {value.get("cluster_name") or value.get("name") or "": value for value in values}


def _request_differences(
    samples: Sequence[Request], old: DecodedResources, new: DecodedResources
) -> Iterator[RequestDifference]:
    for sample in samples:
        before, after = _effects(trace_request(old, sample)), _effects(trace_request(new, sample))
        if before != after:
            gone = tuple(line for line in before if line not in after)
            come = tuple(line for line in after if line not in before)
            yield RequestDifference(request_line(sample), gone, come)


def _effects(outcome: Outcome) -> list[str]:
    return list(effect_lines(outcome))
