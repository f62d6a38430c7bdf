"""Which certificates a router can be sent, once it has proved who it is: those of its own namespace's Secrets.

Those that an object asks for in its own name are found by `granted`.
"""

from mirrorplane.api.cluster_policy import Tls, TlsMode
from mirrorplane.api.credentials import Credential
from mirrorplane.api.gateways import ClientCertificate, Termination
from mirrorplane.api.meta import Ref
from mirrorplane.api.proxy import Scope
from mirrorplane.api.view import View
from mirrorplane.translators.secrets import referenced_secrets

_KIND = "Secret"
_PREFIX = "kubernetes://"
_CA = "-cacert"


def certificate_resource(credential: str) -> str:
    """Return the name of the resource with a certificate and its key (Istio's)."""
    return _PREFIX + credential


def ca_resource(credential: str) -> str:
    """Return the name of the resource that says whose certificates hold (Istio's)."""
    return f"{_PREFIX}{credential}{_CA}"


def client_secrets(said: Tls) -> tuple[str, ...]:
    """Return the names of the resources that calls by TLS need."""
    if not said.credential_name:
        return ()
    own = (certificate_resource(said.credential_name),) if said.mode is TlsMode.MUTUAL else ()
    return (*own, *((ca_resource(said.credential_name),) if said.verify else ()))


def server_certificates(said: Termination) -> tuple[str, ...]:
    """Return the names of the resources with a server's certificates."""
    return (
        referenced_secrets.server_certificates(said)
        if said.referrer is not None
        else tuple(map(certificate_resource, said.credentials))
    )


def client_ca(said: Termination) -> str:
    """Return the name of the resource that says whose clients hold, or "" when a file does or nobody is asked.

    Istio: it is called like the Secret, with `-cacert` behind.
    """
    if said.client_ca is not None:
        return referenced_secrets.ca_bundle_resource(said.client_ca.refs)
    if said.client_certificate is ClientCertificate.NONE or said.ca or said.referrer is not None:
        return ""
    name = said.ca_credential or next(iter(said.credentials), "")
    return ca_resource(name) if name else ""


def termination_problem(view: View, scope: Scope, said: Termination) -> str:
    """Say why a router cannot take TLS off as a server says, or "" when it can."""
    if (said.credentials or client_ca(said)) and not scope.identity:
        return "the router has not proved who it is, so it is sent no Secrets"
    return missing_secret(view, scope.namespace, said)


def missing_secret(view: View, namespace: str, said: Termination) -> str:
    """Say which Secret routers of a namespace lack for this, or ""."""
    if said.referrer is not None:
        return referenced_secrets.missing_secret(view, said.referrer, said)
    for name in server_certificates(said):
        if find_secret(view, namespace, name) is None:
            return f"namespace {namespace} has no Secret {_bare(name)} with a certificate and a key"
    name = client_ca(said)
    if name and find_secret(view, namespace, name) is None:
        bare = _bare(name)
        return f"namespace {namespace} has no Secret {bare}, nor {bare.removesuffix(_CA)}, with a CA (ca.crt)"
    return ""


def is_ca(name: str) -> bool:
    """Tell whether a resource says whose clients hold; the others are certificates."""
    return name.startswith(_PREFIX) and name.endswith(_CA)


def find_secret(view: View, namespace: str, name: str) -> Credential | None:
    """Return what stands behind the name of a resource, to routers of a namespace; None when it is not there.

    Istio: `x-cacert` is the CA of the Secret of that name, or of `x`. Secrets of other namespaces are nobody's.
    """
    bare = _bare(name)
    if not is_ca(name):
        found = _secret(view, namespace, bare)
        return found if found is not None and found.chain else None
    both = (_secret(view, namespace, each) for each in (bare, bare.removesuffix(_CA)))
    return next((found for found in both if found is not None and found.ca), None)


def _secret(view: View, namespace: str, name: str) -> Credential | None:
    owner, slash, bare = name.rpartition("/")
    if slash and owner != namespace:
        return None
    return next(iter(view.lowered(Ref(_KIND, namespace, bare)).credentials), None)


def _bare(name: str) -> str:
    return name.removeprefix(_PREFIX)
