"""The rules of a route as they apply to clients of a Service that is its parent (GAMMA).

A route replaces the default routing of a Service, so a rule that is dropped must not take its requests along: they go
to the Service itself, as without the route. See decision 0132.
"""

from collections.abc import Iterator, Sequence

import msgspec

from mirrorplane.api import routes
from mirrorplane.api.actions import Answer, Destination
from mirrorplane.api.finding import Finding
from mirrorplane.api.matches import Match
from mirrorplane.api.view import View
from mirrorplane.translators.gateway_api.attachment.service_parents import ServiceParent
from mirrorplane.translators.gateway_api.conditions import DROPPED_RULE, findings_below, has_no_rules_left
from mirrorplane.translators.gateway_api.route.rule_routes import routes_of
from mirrorplane.translators.gateway_api.route.rules import Rule
from mirrorplane.translators.gateway_api.route.unsupported_values import effect_of

_LAST = (9,)
"""A rank after those of all rules, of every route of the Service."""


class MeshRules(msgspec.Struct, frozen=True):
    """The rules of a route for clients of its Services. `dropped` are those whose matches are not supported."""

    served: tuple[Rule, ...]
    dropped: tuple[Rule, ...] = ()
    attached: bool = True
    restricted: bool = False

    def effect_of(self, rule: Rule, finding: Finding) -> str:
        """Return what becomes of requests to a Service because of an unsupported value in a rule."""
        if not self.attached:
            return "no rule is left, so the route is not attached to the Service, which is called as without it"
        if rule not in self.dropped:
            return effect_of(rule, finding)
        fallback = f"are answered {rule.failure}" if self.restricted else "go to the Service itself"
        return f"the rule is dropped, and requests that no other rule matches {fallback}"


NO_MESH_RULES = MeshRules((), attached=False)


def mesh_rules(rules: Sequence[Rule], served: Sequence[Rule], findings: Sequence[Finding]) -> MeshRules:
    """Return the rules of a route for clients of its Services; `findings` are those about the rules.

    Gateway API: a route without a valid rule is not accepted, so it is not attached. A rule that authorizes requests
    is the exception: without it they would be open, so they are answered with an error (decision 0084).
    """
    paths = {rule.path for rule in served}
    unusable = [finding for finding in findings if finding.reason in DROPPED_RULE]
    restricted = any(_restricts(rule) and findings_below(rule.path, unusable) for rule in rules)
    return MeshRules(
        served=tuple(msgspec.structs.replace(rule, mesh=True) for rule in served),
        dropped=tuple(rule for rule in rules if rule.path not in paths),
        attached=restricted or not has_no_rules_left(unusable, [rule.spec for rule in rules]),
        restricted=restricted,
    )


def mesh_routes(view: View, rules: MeshRules, parent: ServiceParent) -> Iterator[routes.Route]:
    """Yield the routes at a port of a Service."""
    for rule in rules.served:
        yield from routes_of(view, rule, "http", parent.port)
    if rules.dropped:
        rule = rules.dropped[0]
        action = Answer(rule.failure) if rules.restricted else _default(parent)
        yield routes.Route("", Match(), action, rule.about, path=rule.path, rank=_LAST)


def _default(parent: ServiceParent) -> routes.Forward:
    return routes.Forward((Destination(parent.host, port=parent.port, path=parent.path),))


def _restricts(rule: Rule) -> bool:
    """Tell whether a rule decides who may send requests; what an ExtensionRef does is not known here."""
    return any(f.external_auth is not None or f.extension_ref is not None for f in rule.spec.filters)
