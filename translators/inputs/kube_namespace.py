"""Kubernetes Namespace: decoded for its labels, which namespace selectors of other kinds match."""

from mirrorplane.api.kinds import kube
from mirrorplane.api.mesh import Lowered
from mirrorplane.api.meta import AnyObject
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Input


def lower(_: View, __: AnyObject) -> Lowered:
    """Return nothing."""
    return Lowered()


INPUT = Input(kinds=(kube.NAMESPACE,), lower=lower)
