"""Changes of headers, in Envoy's order."""

from collections.abc import Iterable
from typing import TypeAlias

from mirrorplane.api.actions import Pairs
from mirrorplane.api.tracing import HeaderEdit
from mirrorplane.translators import envoy

_Option: TypeAlias = envoy.HeaderValueOption
Level: TypeAlias = envoy.Route | envoy.WeightedCluster.ClusterWeight | envoy.VirtualHost | envoy.RouteConfiguration


def request_edits(levels: Iterable[Level]) -> tuple[HeaderEdit, ...]:
    """Return the edits of a request, from the most specific level outwards, so that outer levels win (Envoy)."""
    return _nonempty(_edit(level.request_headers_to_remove, level.request_headers_to_add) for level in levels)


def response_edits(levels: Iterable[Level]) -> tuple[HeaderEdit, ...]:
    """Return the edits of the response, in the same order."""
    return _nonempty(_edit(level.response_headers_to_remove, level.response_headers_to_add) for level in levels)


def mutations(changes: Iterable[envoy.HeaderMutation]) -> HeaderEdit:
    """Return the changes of a copy's headers. Ours remove before they set and add, so one edit has them all."""
    change_list = list(changes)
    removed = (change.remove for change in change_list if change.WhichOneof("action") == "remove")
    return _edit(removed, (change.append for change in change_list if change.WhichOneof("action") == "append"))


def apply_edits(headers: Pairs, edits: Iterable[HeaderEdit]) -> Pairs:
    """Return headers after edits."""
    for edit in edits:
        remaining = [pair for pair in headers if pair[0] not in edit.remove]
        # Envoy decides "if absent" and "if exists" for a whole level before it sets or adds anything.
        existing = {name for name, _ in remaining}
        added = (*edit.add, *(pair for pair in edit.add_absent if pair[0] not in existing))
        replaced = (*edit.set, *(pair for pair in edit.set_present if pair[0] in existing))
        for name, value in replaced:
            remaining = [*(pair for pair in remaining if pair[0] != name), (name, value)]
        headers = (*remaining, *added)
    return headers


def _nonempty(edits: Iterable[HeaderEdit]) -> tuple[HeaderEdit, ...]:
    return tuple(edit for edit in edits if edit != HeaderEdit())


def _edit(remove: Iterable[str], options: Iterable[envoy.HeaderValueOption]) -> HeaderEdit:
    option_list = list(options)
    return HeaderEdit(
        remove=tuple(name.lower() for name in remove),
        set=_pairs(option_list, _Option.OVERWRITE_IF_EXISTS_OR_ADD),
        set_present=_pairs(option_list, _Option.OVERWRITE_IF_EXISTS),
        add=_pairs(option_list, _Option.APPEND_IF_EXISTS_OR_ADD),
        add_absent=_pairs(option_list, _Option.ADD_IF_ABSENT),
    )


def _pairs(options: list[envoy.HeaderValueOption], action: int) -> Pairs:
    """Return the headers with one append action. `%%` is a per cent sign; other format commands stay as they are."""
    return tuple(
        (o.header.key.lower(), o.header.value.replace("%%", "%"))
        for o in options
        if o.append_action == action and (o.header.value or o.keep_empty_value)
    )
