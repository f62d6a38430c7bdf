"""A rule of an HTTPRoute or a GRPCRoute, and which of its filters can be applied.

GRPCRoutes have fewer fields with the same meaning, and are read as HTTPRoutes (see grpc_rules).
"""

from collections.abc import Iterator

import msgspec

from mirrorplane.api.kinds.gateway_api import http_route as gw
from mirrorplane.api.matches import Match
from mirrorplane.api.meta import Ref
from mirrorplane.api.view import View
from mirrorplane.translators.gateway_api.references import RefProblem
from mirrorplane.translators.gateway_api.route.backends import Referrer, backend_problem
from mirrorplane.translators.gateway_api.route.extension_refs import extension

_FAILED, _UNAVAILABLE = 500, 503
BACKEND_FILTERS = frozenset(
    ("RequestHeaderModifier", "ResponseHeaderModifier", "URLRewrite", "RequestMirror", "RequestRedirect")
)
"""The filters that are supported on a single backend."""


class RuleMatch(msgspec.Struct, frozen=True):
    """A match of a rule, its rank among all of a host (see lookups/precedence), and the match as it is written."""

    match: Match
    rank: tuple[int, ...]
    spec: gw.HTTPRouteMatch = gw.HTTPRouteMatch()


class Rule(msgspec.Struct, frozen=True):
    """A rule of an object, its field, and its matches.

    `grpc`: it is a GRPCRoute's. `failing_backends` are the indexes of those that have unsupported values, and get no
    requests. `mesh`: the rule as it applies to clients of a Service, and not at a Gateway.
    """

    about: Ref
    path: str
    spec: gw.HTTPRouteRule
    matches: tuple[RuleMatch, ...]
    grpc: bool = False
    failing_backends: frozenset[int] = frozenset()
    mesh: bool = False

    @property
    def failure(self) -> int:
        """The status of requests that cannot be forwarded; gRPC clients read 503 as UNAVAILABLE."""
        return _UNAVAILABLE if self.grpc else _FAILED

    def referrer(self, field: str) -> Referrer:
        """Return a field of the rule as one that refers to backends."""
        return Referrer(self.about, f"{self.path}.{field}", self.grpc, self.mesh)


def filter_problems(view: View, rule: Rule) -> Iterator[tuple[int, RefProblem]]:
    """Yield the filters that cannot be applied, by their index. Gateway API: none of them may be skipped."""
    for i, spec in enumerate(rule.spec.filters):
        if spec.extension_ref is not None and (problem := extension(view, rule.about, spec.extension_ref).problem):
            yield i, problem
        if spec.external_auth is not None:
            auth_problem = backend_problem(view, auth_referrer(rule, i), spec.external_auth.backend_ref)
            if auth_problem:
                yield i, msgspec.structs.replace(auth_problem, field=f"externalAuth.backendRef.{auth_problem.field}")


def auth_referrer(rule: Rule, i: int) -> Referrer:
    """Return the backend of an ExternalAuth filter as a referrer: its own protocol counts, not the rule's."""
    auth = rule.spec.filters[i].external_auth
    grpc = auth is not None and auth.protocol == "GRPC"
    return Referrer(rule.about, f"{rule.path}.filters[{i}].externalAuth.backendRef", grpc, rule.mesh)


def unsupported_filters(backend: gw.HTTPBackendRef) -> Iterator[tuple[int, str]]:
    """Yield the filters of a backend that cannot be applied to it alone, by their index and type."""
    yield from ((i, f.type) for i, f in enumerate(backend.filters) if f.type not in BACKEND_FILTERS)
