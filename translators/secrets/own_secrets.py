"""Certificates and CAs of a router's own namespace, named as Istio names them. Only authenticated routers get them.

Secrets that an object refers to by namespace, with a grant where it needs one, are in referenced_secrets.
"""

from mirrorplane.api.cluster_policy import Tls, TlsMode
from mirrorplane.api.credentials import Credential
from mirrorplane.api.gateways import ClientCertificate, Termination
from mirrorplane.api.meta import Ref
from mirrorplane.api.view import View
from mirrorplane.translators.secrets import referenced_secrets

_KIND = "Secret"
_PREFIX = "kubernetes://"
_CA = "-cacert"


def certificate_resource(credential_name: str) -> str:
    """Return the name of the resource with a certificate and its key."""
    return _PREFIX + credential_name


def ca_resource(credential_name: str) -> str:
    """Return the name of the resource with the CA that peers are verified with."""
    return f"{_PREFIX}{credential_name}{_CA}"


def client_secrets(tls: Tls) -> tuple[str, ...]:
    """Return the names of the resources that are needed to originate TLS."""
    if not tls.credential_name:
        return ()
    certificates = (certificate_resource(tls.credential_name),) if tls.mode is TlsMode.MUTUAL else ()
    return (*certificates, *((ca_resource(tls.credential_name),) if tls.verify else ()))


def server_certificates(termination: Termination) -> tuple[str, ...]:
    """Return the names of the resources with a server's certificates."""
    if termination.referrer is not None:
        return referenced_secrets.server_certificates(termination)
    return tuple(map(certificate_resource, termination.credentials))


def client_ca(termination: Termination) -> str:
    """Return the name of the resource with the CA that clients are verified with.

    It is "" where clients are not asked for a certificate, or the CA is a file. Istio: unless it is named, it belongs
    to the server's Secret.
    """
    if termination.client_ca is not None:
        return referenced_secrets.ca_bundle_resource(termination.client_ca.refs)
    is_asked = termination.client_certificate is not ClientCertificate.NONE
    if not is_asked or termination.ca or termination.referrer is not None:
        return ""
    name = termination.ca_credential or next(iter(termination.credentials), "")
    return ca_resource(name) if name else ""


def uses_secrets(termination: Termination) -> bool:
    """Tell whether a router needs to be sent Secrets to terminate TLS."""
    return bool(termination.credentials or client_ca(termination))


def missing_secret(view: View, namespace: str, termination: Termination) -> str:
    """Return which Secret is missing for routers of a namespace to terminate TLS, or ""."""
    if termination.referrer is not None:
        return referenced_secrets.missing_secret(view, termination.referrer, termination)
    for name in server_certificates(termination):
        if find_secret(view, namespace, name) is None:
            return f"namespace {namespace} has no Secret {_bare(name)} with a certificate and a key"
    name = client_ca(termination)
    if name and find_secret(view, namespace, name) is None:
        bare = _bare(name)
        return f"namespace {namespace} has no Secret {bare}, nor {bare.removesuffix(_CA)}, with a CA (ca.crt)"
    return ""


def is_ca(name: str) -> bool:
    """Tell whether a resource is a CA; the others are certificates with keys."""
    return name.startswith(_PREFIX) and name.endswith(_CA)


def find_secret(view: View, namespace: str, name: str) -> Credential | None:
    """Return the credential behind the name of a resource, for routers of a namespace; None when there is none.

    Istio: `x-cacert` is the CA of the Secret of that name, or of `x`. Secrets of other namespaces are never found.
    """
    bare = _bare(name)
    if not is_ca(name):
        credential = _secret(view, namespace, bare)
        return credential if credential is not None and credential.chain else None
    credentials = (_secret(view, namespace, secret) for secret in (bare, bare.removesuffix(_CA)))
    return next((credential for credential in credentials if credential is not None and credential.ca), None)


def _secret(view: View, namespace: str, name: str) -> Credential | None:
    owner, slash, bare = name.rpartition("/")
    if slash and owner != namespace:
        return None
    return next(iter(view.lowered(Ref(_KIND, namespace, bare)).credentials), None)


def _bare(name: str) -> str:
    return name.removeprefix(_PREFIX)
