"""Header changes, the same on routes, weighted clusters and mirrors: what is set comes before what is added."""

from collections.abc import Iterator

from mirrorplane.api.actions import HeaderChanges, Headers
from mirrorplane.translators import envoy

_SET = envoy.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
_ADD = envoy.HeaderValueOption.APPEND_IF_EXISTS_OR_ADD


def apply(message: envoy.Route | envoy.WeightedCluster.ClusterWeight, headers: Headers) -> None:
    """Append the changes to those that the message has already."""
    message.request_headers_to_add.extend(header_options(headers.request))
    message.response_headers_to_add.extend(header_options(headers.response))
    message.request_headers_to_remove.extend(headers.request.remove)
    message.response_headers_to_remove.extend(headers.response.remove)


def header_options(changes: HeaderChanges) -> Iterator[envoy.HeaderValueOption]:
    """Yield the headers that are set, then those that are added; removals are a list of their own in Envoy."""
    for action, pairs in ((_SET, changes.set), (_ADD, changes.add)):
        for name, value in pairs:
            header = envoy.HeaderValue(key=name, value=value)
            yield envoy.HeaderValueOption(header=header, append_action=action)
