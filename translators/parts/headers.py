"""Header changes, alike on routes and on weighted clusters: what is set comes before what is added."""

from collections.abc import MutableSequence

from mirrorplane.api.actions import HeaderChanges, Headers
from mirrorplane.translators import envoy

_SET = envoy.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
_ADD = envoy.HeaderValueOption.APPEND_IF_EXISTS_OR_ADD


def apply(to: envoy.Route | envoy.WeightedCluster.ClusterWeight, said: Headers) -> None:
    """Put the changes behind those that are already there."""
    _add(to.request_headers_to_add, said.request)
    _add(to.response_headers_to_add, said.response)
    to.request_headers_to_remove.extend(said.request.remove)
    to.response_headers_to_remove.extend(said.response.remove)


def _add(to: MutableSequence[envoy.HeaderValueOption], said: HeaderChanges) -> None:
    for action, pairs in ((_SET, said.set), (_ADD, said.add)):
        for name, value in pairs:
            header = envoy.HeaderValue(key=name, value=value)
            to.append(envoy.HeaderValueOption(header=header, append_action=action))
