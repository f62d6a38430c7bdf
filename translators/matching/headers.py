"""Changes of headers, in Envoy's order."""

from collections.abc import Iterable
from typing import TypeAlias

from mirrorplane.api.actions import Pairs
from mirrorplane.api.tracing import HeaderEdit
from mirrorplane.translators import envoy

_Option: TypeAlias = envoy.HeaderValueOption
Level: TypeAlias = envoy.Route | envoy.WeightedCluster.ClusterWeight | envoy.VirtualHost | envoy.RouteConfiguration


def request_edits(levels: Iterable[Level]) -> tuple[HeaderEdit, ...]:
    """Return the changes of a request, from the most specific level to the widest: the later ones win (Envoy)."""
    return _kept(_edit(level.request_headers_to_remove, level.request_headers_to_add) for level in levels)


def response_edits(levels: Iterable[Level]) -> tuple[HeaderEdit, ...]:
    """Return the changes of the response, in the same order."""
    return _kept(_edit(level.response_headers_to_remove, level.response_headers_to_add) for level in levels)


def edited(headers: Pairs, edits: Iterable[HeaderEdit]) -> Pairs:
    """Return headers after changes. What a level adds if absent is decided before it sets or adds anything (Envoy)."""
    for edit in edits:
        left = [pair for pair in headers if pair[0] not in edit.remove]
        there = {name for name, _ in left}
        add = (*edit.add, *(pair for pair in edit.add_absent if pair[0] not in there))
        put = (*edit.set, *(pair for pair in edit.set_present if pair[0] in there))
        for name, value in put:
            left = [*(pair for pair in left if pair[0] != name), (name, value)]
        headers = (*left, *add)
    return headers


def _kept(edits: Iterable[HeaderEdit]) -> tuple[HeaderEdit, ...]:
    return tuple(edit for edit in edits if edit != HeaderEdit())


def _edit(remove: Iterable[str], options: Iterable[envoy.HeaderValueOption]) -> HeaderEdit:
    said = list(options)
    return HeaderEdit(
        remove=tuple(name.lower() for name in remove),
        set=_pairs(said, _Option.OVERWRITE_IF_EXISTS_OR_ADD),
        set_present=_pairs(said, _Option.OVERWRITE_IF_EXISTS),
        add=_pairs(said, _Option.APPEND_IF_EXISTS_OR_ADD),
        add_absent=_pairs(said, _Option.ADD_IF_ABSENT),
    )


def _pairs(options: list[envoy.HeaderValueOption], action: int) -> Pairs:
    """Return the headers of one way to add them. `%%` is a per cent sign; Envoy's variables stay as they are."""
    return tuple(
        (o.header.key.lower(), o.header.value.replace("%%", "%"))
        for o in options
        if o.append_action == action and (o.header.value or o.keep_empty_value)
    )
