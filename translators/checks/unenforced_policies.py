"""Check that policies of other control planes, which are not enforced here, select a workload."""

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.unenforced import UnenforcedPolicy
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Check
from mirrorplane.translators.lookups.workload_selectors import selects_nothing


def unenforced(view: View, policy: UnenforcedPolicy) -> tuple[Finding, ...]:
    """Return a warning for a selector that matches no workload of its namespace (Istio IST0127).

    Nothing for those of the root namespace, which select in every namespace.
    """
    if not policy.namespace or not policy.labels or not selects_nothing(view, policy.namespace, policy.labels):
        return ()
    labels = ", ".join(f"{key}={value}" for key, value in policy.labels)
    message = (
        f"no Pod or WorkloadEntry of namespace {policy.namespace} has the labels {labels}; the policy has no effect"
        " anywhere"
    )
    fix = "correct the labels, or start workloads that have them"
    return (Finding(policy.ref, "NoMatchingWorkloads", message, "spec", Severity.WARNING, fix),)


CHECK = Check(unenforced=unenforced)
