"""Kubernetes ConfigMap -> Credential: whose certificates hold, for those who name it."""

from collections.abc import Iterator

from api.credentials import Credential
from api.finding import Finding
from api.kinds import config_map as kube
from api.mesh import Lowered
from api.meta import Object
from api.view import View
from translators.contract import Input


def lower(_: View, obj: Object[kube.ConfigMap]) -> Lowered:
    """Return the authorities; nothing for a ConfigMap that holds none."""
    said = obj.spec.data.ca_crt
    return Lowered(credentials=(Credential(obj.ref, ca=said.encode()),)) if said else Lowered()


def validate(obj: Object[kube.ConfigMap]) -> Iterator[Finding]:
    """Refuse what Envoy could not use, so that the ConfigMap before it goes on serving."""
    if not obj.spec.data.ca_crt:
        return
    from translators import pem  # what reads PEM costs 10 MiB, and most worlds have no certificates

    try:
        pem.check_authorities(obj.spec.data.ca_crt.encode())
    except ValueError as error:
        fix = "what was there before goes on serving"
        yield Finding(obj.ref, "InvalidCredential", str(error), "data[ca.crt]", fix=fix)


INPUT = Input(kinds=(kube.CONFIG_MAP,), lower=lower, validate=validate)
