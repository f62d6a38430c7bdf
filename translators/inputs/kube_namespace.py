"""Kubernetes Namespace: read for its labels, which selectors of other APIs ask for; alone it means nothing."""

from api.kinds import kube
from api.mesh import Lowered
from api.meta import AnyObject
from api.view import View
from translators.contract import Input


def lower(_: View, __: AnyObject) -> Lowered:
    """Return nothing."""
    return Lowered()


INPUT = Input(kinds=(kube.NAMESPACE,), lower=lower)
