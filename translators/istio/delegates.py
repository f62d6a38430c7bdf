"""The rules of a VirtualService as they hold: those that name a delegate are replaced by its rules, merged with them.

Istio: one level; a match of the delegate joins every match of the root that it does not contradict; what the delegate's
rule does not say, it takes from the root's, field by field.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from mirrorplane.api.finding import Finding
from mirrorplane.api.hosts import exported
from mirrorplane.api.kinds.istio import virtual_service as istio
from mirrorplane.api.meta import Object, Ref
from mirrorplane.api.view import View
from mirrorplane.translators.istio.names import gateway_name
from mirrorplane.translators.settings import mesh

_INHERITED = (
    *("rewrite", "direct_response", "timeout", "retries", "fault", "cors_policy", "headers"),
    *("mirror", "mirror_percentage", "mirror_percent", "mirror_percent_snake", "mirrors"),
)
_STRINGS = ("uri", "scheme", "method", "authority")
_MAPS = ("headers", "without_headers", "query_params")
_TAKEN = (*_STRINGS, "port", "stat_prefix", "source_namespace", "gateways")


class Place(msgspec.Struct, frozen=True):
    """A field of an object."""

    about: Ref
    path: str


class Rule(msgspec.Struct, frozen=True):
    """A rule and where it is written; its mirrors may be written elsewhere, in the root it is merged with."""

    said: istio.HTTPRoute
    place: Place
    mirror: Place
    mirrors: Place


def rules_of(view: View, obj: Object[istio.VirtualService]) -> tuple[Rule, ...]:
    """Return the rules as they hold, in order. One whose delegate cannot be used is left out (Istio)."""
    found: list[Rule] = []
    for place, rule in _rules(obj):
        delegate = _delegate(view, obj.ref, rule)
        if rule.delegate is None:
            found.append(Rule(rule, place, place, place))
        elif delegate is not None:
            found += [made for there, leaf in _rules(delegate) if (made := _merged(place, rule, there, leaf))]
    return tuple(found)


def delegate_findings(view: View, obj: Object[istio.VirtualService]) -> Iterator[Finding]:
    """Say which delegates cannot be used."""
    for place, rule in _rules(obj):
        if rule.delegate is not None and _delegate(view, obj.ref, rule) is None:
            name = f"{rule.delegate.namespace or obj.ref.namespace}/{rule.delegate.name}"
            message = (
                f"there is no delegate {name} (a VirtualService without hosts, exported to {obj.ref.namespace}):"
                " the rule holds for no request"
            )
            yield Finding(obj.ref, "DelegateNotFound", message, f"{place.path}.delegate")


def _rules(obj: Object[istio.VirtualService]) -> Iterator[tuple[Place, istio.HTTPRoute]]:
    return ((Place(obj.ref, f"spec.http[{i}]"), _completed(obj.ref, rule)) for i, rule in enumerate(obj.spec.http))


def _completed(about: Ref, rule: istio.HTTPRoute) -> istio.HTTPRoute:
    """Complete the names of gateways with the namespace of the object that says them."""
    if not any(match.gateways for match in rule.match):
        return rule
    said = [(match, tuple(gateway_name(name, about.namespace) for name in match.gateways)) for match in rule.match]
    matches = tuple(msgspec.structs.replace(match, gateways=names) for match, names in said)
    return msgspec.structs.replace(rule, match=matches)


def _delegate(view: View, about: Ref, rule: istio.HTTPRoute) -> Object[istio.VirtualService] | None:
    """Return the delegate a rule names, if it is one and the root's namespace may use it."""
    if rule.delegate is None:
        return None
    obj = view.get(Ref(about.kind, rule.delegate.namespace or about.namespace, rule.delegate.name))
    if obj is None or obj.spec.hosts:
        return None
    seen_by = obj.spec.export_to or view.memo(mesh).rules_export_to
    return obj if exported(seen_by, obj.ref.namespace, about.namespace) else None


def _merged(place: Place, root: istio.HTTPRoute, there: Place, leaf: istio.HTTPRoute) -> Rule | None:
    """Return a delegate's rule with what it takes from the root's; None when no match is left, or it delegates on."""
    matches = _matches(root.match, leaf.match)
    if leaf.delegate is not None or (not matches and (root.match or leaf.match)):
        return None
    taken: dict[str, Any] = {f: getattr(root, f) for f in _INHERITED if getattr(leaf, f) in (None, ())}
    name = "-".join(filter(None, (root.name, leaf.name)))
    said = msgspec.structs.replace(leaf, name=name, match=matches, **taken)
    return Rule(said, there, place if leaf.mirror is None else there, there if leaf.mirrors else place)


def _matches(
    root: tuple[istio.MatchRequest, ...], leaf: tuple[istio.MatchRequest, ...]
) -> tuple[istio.MatchRequest, ...]:
    """Join the matches; nothing when one of the delegate's contradicts all of the root's."""
    if not root or not leaf:
        return leaf or root
    found: list[istio.MatchRequest] = []
    for mine in leaf:
        fitting = [_joined(theirs, mine) for theirs in root if not _contradict(theirs, mine)]
        if not fitting:
            return ()
        found += fitting
    return tuple(found)


def _joined(root: istio.MatchRequest, leaf: istio.MatchRequest) -> istio.MatchRequest:
    said: dict[str, Any] = {f: getattr(leaf, f) or getattr(root, f) for f in _TAKEN}
    said |= {f: {**getattr(root, f), **getattr(leaf, f)} for f in (*_MAPS, "source_labels")}
    name = "-".join(filter(None, (root.name, leaf.name)))
    return istio.MatchRequest(name=name, ignore_uri_case=leaf.ignore_uri_case, **said)


def _contradict(root: istio.MatchRequest, leaf: istio.MatchRequest) -> bool:
    """Tell whether no request can be meant by both, or it cannot be told (Istio's rules)."""
    pairs = [(getattr(root, f), getattr(leaf, f)) for f in _STRINGS]
    for field in _MAPS:
        mine, theirs = getattr(leaf, field), getattr(root, field)
        pairs += [(theirs[key], mine[key]) for key in theirs.keys() & mine.keys()]
    labels = (
        (root.source_labels[key], leaf.source_labels[key]) for key in root.source_labels.keys() & leaf.source_labels
    )
    return (
        any(_apart(*pair) for pair in pairs)
        or root.ignore_uri_case != leaf.ignore_uri_case
        or bool(root.port and leaf.port and root.port != leaf.port)
        or bool(root.source_namespace and root.source_namespace != leaf.source_namespace)
        or any(theirs != mine for theirs, mine in labels)
        or len(leaf.gateways) > len(root.gateways) > 0
        or bool(root.gateways and not set(leaf.gateways) <= set(root.gateways))
    )


def _apart(root: istio.StringMatch | None, leaf: istio.StringMatch | None) -> bool:
    if root is None or leaf is None:
        return False
    if root.regex is not None or leaf.regex is not None:
        return True
    if root.exact is not None:
        return leaf.exact != root.exact
    if root.prefix is not None:
        start = leaf.exact if leaf.exact is not None else leaf.prefix
        return start is None or not start.startswith(root.prefix)
    return True
