"""The status of a GatewayClass: whether it is accepted, and which features are supported."""

from mirrorplane.api.kinds.gateway_api.gateway_class import GATEWAY_CLASS, GatewayClass
from mirrorplane.api.meta import Object
from mirrorplane.api.status import Status
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Report
from mirrorplane.translators.findings import findings_about
from mirrorplane.translators.gateway_api.conditions import positive
from mirrorplane.translators.gateway_api.gateway.classes import is_served
from mirrorplane.translators.gateway_api.gateway.features import SUPPORTED


def status(view: View, obj: Object[GatewayClass]) -> Status | None:
    """Return the status; None for a class of another controller."""
    if not is_served(view, obj):
        return None
    accepted = positive("Accepted", ("InvalidParameters",), findings_about(view, obj.ref))
    return Status((accepted,), facts={"supportedFeatures": [{"name": name} for name in SUPPORTED]})


REPORT = Report(kinds=(GATEWAY_CLASS,), status=status)
