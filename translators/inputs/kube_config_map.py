"""Kubernetes ConfigMap -> Credential: a CA bundle, for the objects that refer to it."""

from collections.abc import Iterator

from mirrorplane.api.credentials import Credential
from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds import config_map as kube
from mirrorplane.api.mesh import Lowered
from mirrorplane.api.meta import Object
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Input


def lower(_: View, obj: Object[kube.ConfigMap]) -> Lowered:
    """Return the CA bundle; nothing for a ConfigMap without one."""
    bundle = obj.spec.data.ca_crt
    return Lowered(credentials=(Credential(obj.ref, ca=bundle.encode()),)) if bundle else Lowered()


def validate(obj: Object[kube.ConfigMap]) -> Iterator[Finding]:
    """Refuse a bundle that Envoy would reject, so that the previous ConfigMap stays in use."""
    if not obj.spec.data.ca_crt:
        return
    # Not above: it loads cryptography, 0.2 s, which a start without CA bundles need not wait for.
    from mirrorplane.translators.secrets import pem

    try:
        pem.check_authorities(obj.spec.data.ca_crt.encode())
    except ValueError as error:
        message = f"{error}; the last valid version, if any, stays in use"
        yield Finding(
            obj.ref, "InvalidCredential", message, "data[ca.crt]", fix="replace it with valid PEM certificates"
        )


INPUT = Input(kinds=(kube.CONFIG_MAP,), lower=lower, validate=validate)
