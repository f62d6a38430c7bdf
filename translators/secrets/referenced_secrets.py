"""Certificates and authorities that objects ask for by namespace and name: their own, and others' where these grant it.

Who asks is looked at each time that something is handed out, so that a grant that is withdrawn takes it away.
"""

from collections.abc import Iterable

from mirrorplane.api.credentials import CaRefs, Credential
from mirrorplane.api.gateways import Gateway, Termination
from mirrorplane.api.meta import Ref
from mirrorplane.api.view import View
from mirrorplane.translators.secrets.reference_grants import is_permitted

_SECRET = "Secret"  # noqa: S105 - a kind
_CERTIFICATE, _AUTHORITIES = "certificate://", "authorities://"


def certificate_resource(credential: str) -> str:
    """Return the name of the resource with the certificate and key of a Secret, `namespace/name`."""
    return _CERTIFICATE + credential


def find_certificate(view: View, asker: Ref, name: str) -> Credential | None:
    """Return what stands behind the name of such a resource, to an object that asks; None when it may not, or is not.

    A reference may say anything that is no name at all, slashes too: there is no such Secret.
    """
    namespace, _, bare = name.removeprefix(_CERTIFICATE).partition("/")
    ref = Ref(_SECRET, namespace, bare)
    if not is_permitted(view, asker, ref):
        return None
    return next((found for found in view.lowered(ref).credentials if found.chain), None)


def server_certificates(said: Termination) -> tuple[str, ...]:
    """Return the names of the resources with a server's certificates."""
    return tuple(map(certificate_resource, said.credentials))


def client_certificate(view: View, gateway: Ref) -> str:
    """Return the Secret whose certificate the routers of a gateway show to servers, "" when there is none."""
    said: Gateway | None = next(iter(view.lowered(gateway).gateways), None)
    if (
        said is None
        or not said.client_certificate
        or find_certificate(view, gateway, certificate_resource(said.client_certificate)) is None
    ):
        return ""
    return said.client_certificate


def ca_bundle_resource(said: Iterable[Ref]) -> str:
    """Return the name of the resource with the authorities that some objects hold."""
    return _AUTHORITIES + ",".join(f"{ref.kind}/{ref.namespace}/{ref.name}" for ref in said)


def trusted_cas(view: View, said: CaRefs) -> bytes:
    """Return the authorities that some objects hold, PEM; b"" when who names them may not name them all."""
    refs = said.refs
    if not all(is_permitted(view, said.referrer, ref) for ref in refs):
        return b""
    found = (credential.ca for ref in refs for credential in view.lowered(ref).credentials)
    return b"\n".join(dict.fromkeys(ca for ca in found if ca))


def missing_secret(view: View, asker: Ref, said: Termination) -> str:
    """Say what an object that asks is not given of what a server needs, or ""."""
    if not said.credentials:
        return f"{asker} names no certificate that it could show"
    for name in server_certificates(said):
        if find_certificate(view, asker, name) is None:
            bare = name.removeprefix(_CERTIFICATE)
            return f"there is no Secret {bare} with a certificate and a key that {asker} may refer to"
    if said.client_ca is not None and not trusted_cas(view, said.client_ca):
        return f"{said.client_ca.referrer} names no authority of clients that there is, and that it may refer to"
    return ""
