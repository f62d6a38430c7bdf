"""Istio WorkloadGroup: validated only, because workloads cannot register themselves."""

from collections.abc import Iterator

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.kinds.istio import service_entry as istio
from mirrorplane.api.mesh import Lowered
from mirrorplane.api.meta import Object
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Input
from mirrorplane.translators.istio.workloads import address_problem, workload_findings


def lower(_: View, __: Object[istio.WorkloadGroup]) -> Lowered:
    """Return nothing: a group is only a template."""
    return Lowered()


def validate(obj: Object[istio.WorkloadGroup]) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses, and warn that the group has no effect."""
    template = obj.spec.template
    if template is None:
        yield Finding(obj.ref, "NoTemplate", "template is required", "spec.template")
    else:
        if template.address and (problem := address_problem(template.address)):
            yield Finding(obj.ref, "InvalidAddress", problem, "spec.template.address")
        yield from workload_findings(obj.ref, "spec.template", template)
    message = "automatic registration is not supported: the group adds no endpoints"
    fix = "create a WorkloadEntry for each workload"
    yield Finding(obj.ref, "NoRegistration", message, "spec.template", Severity.WARNING, fix)
    if obj.spec.probe is not None:
        message = "health checks are not run; probe has no effect"
        yield Finding(obj.ref, "FieldLeftOut", message, "spec.probe", Severity.WARNING)


INPUT = Input(kinds=(istio.WORKLOAD_GROUP,), lower=lower, validate=validate)
