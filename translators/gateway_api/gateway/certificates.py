"""References to certificates: Secrets of the type kubernetes.io/tls, also of other namespaces where these grant it."""

from collections.abc import Iterable, Iterator

from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds.gateway_api.gateway import Gateway
from mirrorplane.api.kinds.gateway_api.references import SecretObjectReference
from mirrorplane.api.kinds.secret import SECRET
from mirrorplane.api.meta import Object, Ref
from mirrorplane.api.view import View
from mirrorplane.translators.secrets.reference_grants import permitted

_TLS = "kubernetes.io/tls"
_FIX = "create a Secret of the type kubernetes.io/tls with tls.crt and tls.key"


def certificate_findings(view: View, owner: Ref, path: str, refs: Iterable[SecretObjectReference]) -> Iterator[Finding]:
    """Say which references of a Gateway or ListenerSet lead to no certificate; `path` is the field that holds them."""
    for i, ref in enumerate(refs):
        yield from _finding(view, owner, (f"{path}[{i}]", "InvalidCertificateRef", "nothing listens"), ref)


def shown_findings(view: View, obj: Object[Gateway]) -> Iterator[Finding]:
    """Say why there is no certificate that a Gateway could show to backends."""
    said = obj.spec.tls.backend.client_certificate_ref if obj.spec.tls.backend is not None else None
    if said is not None:
        path, effect = "spec.tls.backend.clientCertificateRef", "none is shown to backends"
        yield from _finding(view, obj.ref, (path, "InvalidClientCertificateRef", effect), said)


def shown_by(view: View, obj: Object[Gateway]) -> str:
    """Return the Secret whose certificate a Gateway shows to backends, "" where there is none that it could."""
    said = obj.spec.tls.backend.client_certificate_ref if obj.spec.tls.backend is not None else None
    if said is None or any(shown_findings(view, obj)):
        return ""
    return next(iter(credentials_of(obj.ref, (said,))))


def credentials_of(owner: Ref, refs: Iterable[SecretObjectReference]) -> tuple[str, ...]:
    """Return what references lead to, as nouns name it: `namespace/name`."""
    return tuple(f"{ref.namespace or owner.namespace}/{ref.name}" for ref in refs)


def _finding(view: View, owner: Ref, told: tuple[str, str, str], said: SecretObjectReference) -> Iterator[Finding]:
    """Yield what is wrong with a reference, if anything is: its field, the reason if it is invalid, what follows.

    Gateway API: without a grant nothing is said of whether it is there.
    """
    path, invalid, effect = told
    ref = Ref(SECRET.key, said.namespace or owner.namespace, said.name)
    if (said.group, said.kind) != (SECRET.group, SECRET.name):
        message = f"a certificate is in a Secret, and this is {said.kind} of {said.group or 'the core group'}: {effect}"
        yield Finding(owner, invalid, message, f"{path}.kind")
    elif not permitted(view, owner, ref):
        kind = owner.kind.rpartition("/")[2]
        message = f"no ReferenceGrant in namespace {ref.namespace} lets {kind}s of {owner.namespace} refer to {ref}"
        fix = f"create a ReferenceGrant in namespace {ref.namespace}"
        yield Finding(owner, "RefNotPermitted", f"{message}: {effect}", f"{path}.namespace", fix=fix)
    elif problem := _problem(view, ref):
        yield Finding(owner, invalid, f"{problem}: {effect}", f"{path}.name", fix=_FIX)


def _problem(view: View, ref: Ref) -> str:
    """Say why a Secret holds no certificate, or "". One with a broken certificate was refused when it was read."""
    if not any(found.chain for found in view.lowered(ref).credentials):
        return f"there is no {ref} with a certificate and a key that could be used"
    found = view.get(ref)
    if found is not None and found.spec.type != _TLS:
        return f"{ref} is of the type {found.spec.type}, not {_TLS}"
    return ""
