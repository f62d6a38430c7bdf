"""Istio WorkloadGroup: checked, and nothing else, since workloads do not register themselves here."""

from collections.abc import Iterator

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.kinds.istio import service_entry as istio
from mirrorplane.api.mesh import Lowered
from mirrorplane.api.meta import Object
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Input
from mirrorplane.translators.istio.workloads import address_problem, workload_findings


def lower(_: View, __: Object[istio.WorkloadGroup]) -> Lowered:
    """Return nothing: a group is what others are made from."""
    return Lowered()


def validate(obj: Object[istio.WorkloadGroup]) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses, and say that no workloads come of it."""
    template = obj.spec.template
    if template is None:
        yield Finding(obj.ref, "NoTemplate", "template is required", "spec.template")
    else:
        if template.address and (problem := address_problem(template.address)):
            yield Finding(obj.ref, "InvalidAddress", problem, "spec.template.address")
        yield from workload_findings(obj.ref, "spec.template", template)
    message = "workloads do not register themselves here, so no endpoints come of a group"
    fix = "write a WorkloadEntry for each workload"
    yield Finding(obj.ref, "NoRegistration", message, "spec.template", Severity.WARNING, fix)
    if obj.spec.probe is not None:
        message = "nobody asks workloads whether they are well: a probe changes nothing"
        yield Finding(obj.ref, "FieldLeftOut", message, "spec.probe", Severity.WARNING)


INPUT = Input(kinds=(istio.WORKLOAD_GROUP,), lower=lower, validate=validate)
