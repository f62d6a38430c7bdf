"""The status of a GatewayClass: whether it is served, and what is."""

from api.kinds.gateway_api.gateway_class import GATEWAY_CLASS, GatewayClass
from api.meta import Object
from api.status import Status
from api.view import View
from translators.contract import Report
from translators.gateway_api.classes import class_findings, is_ours
from translators.gateway_api.conditions import positive
from translators.gateway_api.features import SUPPORTED


def status(view: View, obj: Object[GatewayClass]) -> Status | None:
    """Return the status; None for a class of another controller."""
    if not is_ours(view, obj):
        return None
    accepted = positive("Accepted", ("InvalidParameters",), class_findings(view, obj))
    return Status((accepted,), facts={"supportedFeatures": [{"name": name} for name in SUPPORTED]})


REPORT = Report(kinds=(GATEWAY_CLASS,), status=status)
