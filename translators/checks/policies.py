"""Are there hosts and endpoints that a policy speaks of? Envoy says nothing about a rule that holds for nobody."""

from collections.abc import Iterator

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.mesh import Service
from mirrorplane.api.proxy import Visibility
from mirrorplane.api.traffic_policy import Subset, TrafficPolicy
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Check
from mirrorplane.translators.lookups import services
from mirrorplane.translators.lookups.endpoints import tcp_endpoints


def policy(view: View, said: TrafficPolicy) -> tuple[Finding, ...]:
    """Return what is missing, seen from the policy's own namespace. A wildcard may wait for its hosts."""
    if said.host.startswith("*"):
        return ()
    service = view.memo(services.find_service, Visibility(said.namespace), said.host)
    if service is None:
        message = f"no service {said.host} is visible from namespace {said.namespace}: the rule holds for nobody there"
        fix = "correct the host, or create the Service"
        return (Finding(said.ref, "UnknownHost", message, "spec.host", Severity.WARNING, fix),)
    return tuple(_empty(view, said, service))


def _empty(view: View, said: TrafficPolicy, service: Service) -> Iterator[Finding]:
    """Warn of subsets that no endpoint is in (Istio IST0173), where endpoints are said at all."""
    found = [e for port in service.ports for e in view.memo(tcp_endpoints, service.ref, service.host, port.number)]
    for i, subset in enumerate(said.subsets):
        if found and subset.labels and not any(set(subset.labels) <= set(e.labels) for e in found):
            message = f"no endpoint of {said.host} has the labels {_shown(subset)}: requests to the subset get 503"
            fix = "correct the labels, or start workloads that have them"
            yield Finding(said.ref, "SubsetEmpty", message, f"spec.subsets[{i}].labels", Severity.WARNING, fix)


def _shown(subset: Subset) -> str:
    return ", ".join(f"{key}={value}" for key, value in subset.labels)


CHECK = Check(policy=policy)
