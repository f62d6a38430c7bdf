"""Which findings matter to one request: those about the rule that applies, and the policies that are not enforced.

Separate from the explanation because it looks at the world, and the explanation only at what one proxy is served.
"""

from collections.abc import Iterator, Mapping

from mirrorplane.api.finding import Finding
from mirrorplane.api.meta import Labels, Ref
from mirrorplane.api.proxy import ROUTER, Proxy, Scope
from mirrorplane.api.tracing import Forwarded, Outcome
from mirrorplane.api.unenforced import TrafficParty
from mirrorplane.api.view import View
from mirrorplane.controlplane.plane import Plane
from mirrorplane.translators.envoy_versions import version_findings
from mirrorplane.translators.lookups.endpoints import tcp_endpoints
from mirrorplane.translators.lookups.policies import find_subset
from mirrorplane.translators.lookups.services import find_service
from mirrorplane.translators.lookups.unenforced import unenforced_policies
from mirrorplane.translators.names import parse_cluster
from mirrorplane.translators.routers.findings import server_finding
from mirrorplane.translators.routers.servers import merge_servers, unserved_servers
from mirrorplane.translators.scopes import criteria, scope_of


def related_findings(plane: Plane, proxy: Proxy, outcome: Outcome) -> tuple[Finding, ...]:
    """Return the findings about the rule that applies to a request, and those about policies that select its parties.

    Where a router does not serve the request's port, the reason comes first. The parties are the router, the workloads
    that get the request or a copy of it, and the route. Last is what the proxy's Envoy lacks to guard a copy.
    """
    view = plane.engine.view
    scope = scope_of(proxy, view.memo(criteria))
    at_router = tuple(
        server_finding(scope, server)
        for server in (unserved_servers(view, scope) if scope.role == ROUTER else ())
        if server.server.number == outcome.request.port
    )
    policies = {policy.ref for policy in unenforced_policies(view, _parties(view, scope, proxy, outcome))}
    findings = plane.findings.all()
    about = (finding for finding in findings if finding.about in policies or _is_about_rule(finding, outcome))
    is_mirrored = isinstance(outcome.action, Forwarded) and bool(outcome.action.mirrors)
    of_version = version_findings(proxy.envoy_version, scope.missing_features) if is_mirrored else ()
    return tuple(dict.fromkeys((*at_router, *about, *of_version)))


def _is_about_rule(finding: Finding, outcome: Outcome) -> bool:
    rule = outcome.origin
    if rule is None or finding.about != rule.about:
        return False
    return finding.path == rule.path or finding.path.startswith((f"{rule.path}.", f"{rule.path}["))


def _parties(view: View, scope: Scope, proxy: Proxy, outcome: Outcome) -> Iterator[TrafficParty]:
    if proxy.role == ROUTER:
        labels = tuple(sorted(proxy.labels.items()))
        yield TrafficParty(proxy.namespace, labels, _gateways(view, scope, outcome.listener))
    if outcome.origin is not None:
        ref = outcome.origin.about
        yield TrafficParty(ref.namespace, objects=_labelled(view, ref), is_workload=False)
    for cluster in _clusters(outcome):
        yield from _workloads(view, scope, cluster)


def _gateways(view: View, scope: Scope, listener: str) -> Mapping[Ref, Labels]:
    """Return the Gateways, and the objects that join them, with servers at a listener of a router."""
    servers = (
        gateway_server
        for binding in view.memo(merge_servers, scope).bindings
        if binding.name == listener
        for gateway_server in binding.gateway_servers
    )
    gateways: dict[Ref, Labels] = {}
    for gateway_server in servers:
        gateways |= _labelled(view, gateway_server.about)
    return gateways


def _clusters(outcome: Outcome) -> Iterator[str]:
    if isinstance(outcome.action, Forwarded):
        yield from (target.cluster for target in outcome.action.targets)
        yield from (mirror.cluster for mirror in outcome.action.mirrors)
    yield from (weighted.cluster for weighted in outcome.l4_clusters)


def _workloads(view: View, scope: Scope, cluster: str) -> Iterator[TrafficParty]:
    """Yield the workloads behind a cluster, one for each set of labels; without any, what its service selects."""
    name = parse_cluster(cluster)
    service = find_service(view, scope.visibility, name.host) if name is not None else None
    if name is None or service is None:
        return
    subset = find_subset(view, scope.client, name.host, name.subset) if name.subset else None
    required = set(subset.labels) if subset is not None else set()
    endpoints = tcp_endpoints(view, service.ref, service.host, name.port)
    labels = {endpoint.labels for endpoint in endpoints if required <= set(endpoint.labels)}
    for workload in labels or {tuple(sorted({*service.selector, *required}))}:
        yield TrafficParty(service.namespace, workload, _labelled(view, service.ref))


def _labelled(view: View, ref: Ref) -> Mapping[Ref, Labels]:
    obj = view.get(ref)
    return {ref: tuple(sorted(obj.labels.items()))} if obj is not None else {}
