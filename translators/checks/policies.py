"""Do the hosts and subsets of a policy exist? Envoy reports nothing about a policy that applies to no traffic."""

from collections.abc import Iterator

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.mesh import Service
from mirrorplane.api.proxy import Visibility
from mirrorplane.api.traffic_policy import Subset, TrafficPolicy
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Check
from mirrorplane.translators.lookups import services
from mirrorplane.translators.lookups.aliases import resolve_alias
from mirrorplane.translators.lookups.endpoints import endpoint_labels


def policy(view: View, policy: TrafficPolicy) -> tuple[Finding, ...]:
    """Return what is missing, as the policy's own namespace sees it. A wildcard may still be waiting for its hosts."""
    if policy.host.startswith("*"):
        return ()
    service = view.memo(services.find_service, Visibility(policy.namespace), policy.host)
    if service is None:
        if (alias_of := resolve_alias(view, policy.host)) != policy.host:
            return (_for_alias(policy, alias_of),)
        message = f"no service {policy.host} is visible from namespace {policy.namespace}; the rule has no effect there"
        fix = "correct the host, or create the Service"
        return (Finding(policy.ref, "UnknownHost", message, "spec.host", Severity.WARNING, fix),)
    return tuple(_empty_subsets(view, policy, service))


def _for_alias(policy: TrafficPolicy, service: str) -> Finding:
    """Warn of a policy for an alias: calls to it use the clusters of its service (Istio)."""
    message = f"{policy.host} is an alias of {service}, whose policies apply to it; the rule has no effect"
    return Finding(policy.ref, "UnknownHost", message, "spec.host", Severity.WARNING, f"write {service}")


def _empty_subsets(view: View, policy: TrafficPolicy, service: Service) -> Iterator[Finding]:
    """Warn of subsets without endpoints (Istio IST0173), if the service has any endpoints."""
    labels_of_endpoints = {
        frozenset(labels)
        for port in service.ports
        for labels in view.memo(endpoint_labels, service.ref, service.host, port.number)
    }
    for i, subset in enumerate(policy.subsets):
        labels = set(subset.labels)
        if labels_of_endpoints and labels and not any(map(labels.issubset, labels_of_endpoints)):
            message = f"no endpoint of {policy.host} has the labels {_format(subset)}; requests to the subset get 503"
            fix = "correct the labels, or start workloads that have them"
            yield Finding(policy.ref, "SubsetEmpty", message, f"spec.subsets[{i}].labels", Severity.WARNING, fix)


def _format(subset: Subset) -> str:
    return ", ".join(f"{key}={value}" for key, value in subset.labels)


CHECK = Check(policy=policy)
