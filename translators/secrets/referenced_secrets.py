"""Certificates and CA bundles that objects refer to by namespace: their own, and others' with a ReferenceGrant.

The grant is checked whenever a resource is built, so that a grant that is withdrawn takes the Secret from the router.
See decision 0093.
"""

from collections.abc import Iterable

from mirrorplane.api.credentials import CaRefs, Credential
from mirrorplane.api.gateways import Gateway, Termination
from mirrorplane.api.meta import Ref
from mirrorplane.api.view import View
from mirrorplane.translators.secrets.reference_grants import is_permitted

_SECRET = "Secret"  # noqa: S105 - a kind
_CERTIFICATE, _CA_BUNDLE = "certificate://", "authorities://"


def certificate_resource(credential: str) -> str:
    """Return the name of the resource with the certificate and key of a Secret, `namespace/name`."""
    return _CERTIFICATE + credential


def find_certificate(view: View, referrer: Ref, name: str) -> Credential | None:
    """Return the certificate behind the name of a resource; None when it is missing, or the referrer has no grant.

    References are not validated: one with slashes in it names no Secret.
    """
    namespace, _, bare = name.removeprefix(_CERTIFICATE).partition("/")
    ref = Ref(_SECRET, namespace, bare)
    if not is_permitted(view, referrer, ref):
        return None
    return next((credential for credential in view.lowered(ref).credentials if credential.chain), None)


def server_certificates(termination: Termination) -> tuple[str, ...]:
    """Return the names of the resources with a server's certificates."""
    return tuple(map(certificate_resource, termination.credentials))


def client_certificate(view: View, gateway: Ref) -> str:
    """Return the Secret with the certificate that routers of a gateway show to backends; "" without a usable one."""
    spec: Gateway | None = next(iter(view.lowered(gateway).gateways), None)
    credential = spec.client_certificate if spec is not None else ""
    if not credential or find_certificate(view, gateway, certificate_resource(credential)) is None:
        return ""
    return credential


def ca_bundle_resource(refs: Iterable[Ref]) -> str:
    """Return the name of the resource with the CAs of some objects."""
    return _CA_BUNDLE + ",".join(f"{ref.kind}/{ref.namespace}/{ref.name}" for ref in refs)


def trusted_cas(view: View, cas: CaRefs) -> bytes:
    """Return the CAs of some objects, PEM; b"" when the referrer lacks a grant for any of them."""
    if not all(is_permitted(view, cas.referrer, ref) for ref in cas.refs):
        return b""
    bundles = (credential.ca for ref in cas.refs for credential in view.lowered(ref).credentials)
    return b"\n".join(dict.fromkeys(ca for ca in bundles if ca))


def missing_secret(view: View, referrer: Ref, termination: Termination) -> str:
    """Return what is missing for a server of the referrer to terminate TLS, or ""."""
    if not termination.credentials:
        return f"{referrer} refers to no usable certificate"
    for name in server_certificates(termination):
        if find_certificate(view, referrer, name) is None:
            bare = name.removeprefix(_CERTIFICATE)
            return f"Secret {bare} is missing, has no certificate and key, or no ReferenceGrant allows {referrer}"
    if termination.client_ca is not None and not trusted_cas(view, termination.client_ca):
        return f"{termination.client_ca.referrer} refers to no usable client CA: missing, or no ReferenceGrant"
    return ""
