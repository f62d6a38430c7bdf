"""The effective rules of a VirtualService: a rule with a delegate is replaced by the delegate's rules, merged with it.

Istio allows one level of delegation. Each match of the delegate joins every match of the root that does not conflict
with it, and the delegate's rule inherits the fields that it leaves unset.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from mirrorplane.api.finding import Finding
from mirrorplane.api.hosts import exported
from mirrorplane.api.kinds.istio import virtual_service as istio
from mirrorplane.api.meta import FieldRef, Object, Ref
from mirrorplane.api.view import View
from mirrorplane.translators.istio.references import gateway_name
from mirrorplane.translators.settings import mesh

# As pilot's mergeHTTPRoutes has them. `redirect` is not there: Istio refuses it on a rule with a delegate.
_INHERITED = (
    *("rewrite", "direct_response", "timeout", "retries", "fault", "cors_policy", "headers"),
    *("mirror", "mirror_percentage", "mirror_percent", "mirror_percent_snake", "mirrors"),
)
_STRINGS = ("uri", "scheme", "method", "authority")
_MAPS = ("headers", "without_headers", "query_params")
_OVERRIDDEN = (*_STRINGS, "port", "stat_prefix", "source_namespace", "gateways")

MAX_MERGED_MATCHES = 10_000
"""How many matches the rules with delegates of one VirtualService may have: 130 kB of YAML could say a million."""


class Rule(msgspec.Struct, frozen=True):
    """A rule and where it was written; its mirrors may be inherited from the root, and so written there."""

    spec: istio.HTTPRoute
    place: FieldRef
    mirror: FieldRef
    mirrors: FieldRef


def rules_of(view: View, obj: Object[istio.VirtualService]) -> tuple[Rule, ...]:
    """Return the effective rules in order, without those whose delegate is unusable (Istio)."""
    rules: list[Rule] = []
    for place, rule, delegate, excess in _with_delegates(view, obj):
        if rule.delegate is None:
            rules.append(Rule(rule, place, place, place))
        elif delegate is not None and not excess:
            merged = (_merged(place, rule, leaf_place, leaf) for leaf_place, leaf in _rules(delegate))
            rules += filter(None, merged)
    return tuple(rules)


def delegate_findings(view: View, obj: Object[istio.VirtualService]) -> Iterator[Finding]:
    """Report delegates that cannot be used."""
    for place, rule, delegate, excess in _with_delegates(view, obj):
        if rule.delegate is None:
            continue
        path = f"{place.path}.delegate"
        name = f"{rule.delegate.namespace or obj.ref.namespace}/{rule.delegate.name}"
        if delegate is None:
            message = f"delegate {name} not found; the rule is ignored"
            fix = f"create a VirtualService {name} without hosts that is exported to {obj.ref.namespace}"
            yield Finding(obj.ref, "DelegateNotFound", message, path, fix=fix)
        elif excess:
            message = (
                f"merged with delegate {name} the rule has {excess} matches, and all rules with delegates may have"
                f" {MAX_MERGED_MATCHES} together; the rule is ignored"
            )
            yield Finding(
                obj.ref, "DelegateTooLarge", message, path, fix="use fewer matches in the rule or its delegate"
            )


def _with_delegates(
    view: View, obj: Object[istio.VirtualService]
) -> Iterator[tuple[FieldRef, istio.HTTPRoute, Object[istio.VirtualService] | None, int]]:
    """Yield each rule with its delegate, and how many matches they have together if that is too many, else 0."""
    budget = MAX_MERGED_MATCHES
    for place, rule in _rules(obj):
        delegate = _delegate(view, obj.ref, rule)
        matches = _merged_matches(rule, delegate) if delegate is not None else 0
        excess = matches if matches > budget else 0
        budget -= matches - excess
        yield place, rule, delegate, excess


def _rules(obj: Object[istio.VirtualService]) -> Iterator[tuple[FieldRef, istio.HTTPRoute]]:
    return ((FieldRef(obj.ref, f"spec.http[{i}]"), _completed(obj.ref, rule)) for i, rule in enumerate(obj.spec.http))


def _completed(about: Ref, rule: istio.HTTPRoute) -> istio.HTTPRoute:
    """Complete the names of gateways with the namespace of the object that contains them."""
    if not any(match.gateways for match in rule.match):
        return rule
    completed = [(match, tuple(gateway_name(name, about.namespace) for name in match.gateways)) for match in rule.match]
    matches = tuple(msgspec.structs.replace(match, gateways=names) for match, names in completed)
    return msgspec.structs.replace(rule, match=matches)


def _delegate(view: View, about: Ref, rule: istio.HTTPRoute) -> Object[istio.VirtualService] | None:
    """Return the delegate of a rule, if it has no hosts and is exported to the root's namespace."""
    if rule.delegate is None:
        return None
    obj = view.get(Ref(about.kind, rule.delegate.namespace or about.namespace, rule.delegate.name))
    if obj is None or obj.spec.hosts:
        return None
    export_to = obj.spec.export_to or view.memo(mesh).rules_export_to
    return obj if exported(export_to, obj.ref.namespace, about.namespace) else None


def _merged_matches(root: istio.HTTPRoute, delegate: Object[istio.VirtualService]) -> int:
    """Return how many matches a rule has when it is merged with the rules of a delegate, conflicts included."""
    return max(len(root.match), 1) * sum(max(len(leaf.match), 1) for leaf in delegate.spec.http)


def _merged(place: FieldRef, root: istio.HTTPRoute, leaf_place: FieldRef, leaf: istio.HTTPRoute) -> Rule | None:
    """Return a delegate's rule merged with the root's; None when no match remains, or the delegate delegates again."""
    matches = _matches(root.match, leaf.match)
    if leaf.delegate is not None or (not matches and (root.match or leaf.match)):
        return None
    # Each field for itself: a root's mirrorPercentage applies to the delegate's mirror, and headers are not merged.
    inherited: dict[str, Any] = {f: getattr(root, f) for f in _INHERITED if getattr(leaf, f) in (None, ())}
    name = "-".join(filter(None, (root.name, leaf.name)))
    spec = msgspec.structs.replace(leaf, name=name, match=matches, **inherited)
    mirror = place if leaf.mirror is None else leaf_place
    return Rule(spec, leaf_place, mirror, leaf_place if leaf.mirrors else place)


def _matches(
    root: tuple[istio.MatchRequest, ...], leaf: tuple[istio.MatchRequest, ...]
) -> tuple[istio.MatchRequest, ...]:
    """Join the matches; empty when one of the delegate's conflicts with every match of the root."""
    if not root or not leaf:
        return leaf or root
    joined: list[istio.MatchRequest] = []
    for leaf_match in leaf:
        compatible = [_joined(root_match, leaf_match) for root_match in root if not _conflict(root_match, leaf_match)]
        if not compatible:
            return ()  # Istio drops the whole rule, and not only this match
        joined += compatible
    return tuple(joined)


def _joined(root: istio.MatchRequest, leaf: istio.MatchRequest) -> istio.MatchRequest:
    fields: dict[str, Any] = {f: getattr(leaf, f) or getattr(root, f) for f in _OVERRIDDEN}
    fields |= {f: {**getattr(root, f), **getattr(leaf, f)} for f in (*_MAPS, "source_labels")}
    name = "-".join(filter(None, (root.name, leaf.name)))
    # The root has the same ignoreUriCase: another would be a conflict.
    return istio.MatchRequest(name=name, ignore_uri_case=leaf.ignore_uri_case, **fields)


def _conflict(root: istio.MatchRequest, leaf: istio.MatchRequest) -> bool:
    """Tell whether no request can match both, or Istio cannot decide it (pilot's `hasConflict`)."""
    pairs = [(getattr(root, f), getattr(leaf, f)) for f in _STRINGS]
    for field in _MAPS:
        root_map, leaf_map = getattr(root, field), getattr(leaf, field)
        pairs += [(root_map[key], leaf_map[key]) for key in root_map.keys() & leaf_map.keys()]
    labels = (
        (root.source_labels[key], leaf.source_labels[key]) for key in root.source_labels.keys() & leaf.source_labels
    )
    return (
        any(_strings_conflict(*pair) for pair in pairs)
        or root.ignore_uri_case != leaf.ignore_uri_case
        or bool(root.port and leaf.port and root.port != leaf.port)
        # Also where the delegate leaves it unset (Istio), unlike the port.
        or bool(root.source_namespace and root.source_namespace != leaf.source_namespace)
        or any(root_value != leaf_value for root_value, leaf_value in labels)
        or len(leaf.gateways) > len(root.gateways) > 0
        or bool(root.gateways and not set(leaf.gateways) <= set(root.gateways))
    )


def _strings_conflict(root: istio.StringMatch | None, leaf: istio.StringMatch | None) -> bool:
    if root is None or leaf is None:
        return False
    # Whether two regexes overlap is not decided: Istio counts them as a conflict.
    if root.regex is not None or leaf.regex is not None:
        return True
    if root.exact is not None:
        return leaf.exact != root.exact
    if root.prefix is not None:
        start = leaf.exact if leaf.exact is not None else leaf.prefix
        return start is None or not start.startswith(root.prefix)
    return True
