"""Kubernetes ConfigMap -> Credential: whose certificates hold, for those who name it."""

from collections.abc import Iterator

from mirrorplane.api.credentials import Credential
from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds import config_map as kube
from mirrorplane.api.mesh import Lowered
from mirrorplane.api.meta import Object
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Input


def lower(_: View, obj: Object[kube.ConfigMap]) -> Lowered:
    """Return the authorities; nothing for a ConfigMap that holds none."""
    said = obj.spec.data.ca_crt
    return Lowered(credentials=(Credential(obj.ref, ca=said.encode()),)) if said else Lowered()


def validate(obj: Object[kube.ConfigMap]) -> Iterator[Finding]:
    """Refuse what Envoy could not use, so that the ConfigMap before it goes on serving."""
    if not obj.spec.data.ca_crt:
        return
    from mirrorplane.translators.secrets import pem

    try:
        pem.check_authorities(obj.spec.data.ca_crt.encode())
    except ValueError as error:
        fix = "what was there before goes on serving"
        yield Finding(obj.ref, "InvalidCredential", str(error), "data[ca.crt]", fix=fix)


INPUT = Input(kinds=(kube.CONFIG_MAP,), lower=lower, validate=validate)
