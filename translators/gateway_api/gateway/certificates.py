"""References to certificates: Secrets of type kubernetes.io/tls, also of other namespaces with a ReferenceGrant."""

from collections.abc import Iterable, Iterator

import msgspec

from mirrorplane.api.finding import Finding
from mirrorplane.api.kinds.gateway_api.gateway import Gateway
from mirrorplane.api.kinds.gateway_api.references import SecretObjectReference
from mirrorplane.api.kinds.secret import SECRET
from mirrorplane.api.meta import Object, Ref
from mirrorplane.api.view import View
from mirrorplane.translators.gateway_api.references import RefProblem, grant_problem, group_name

_TLS = "kubernetes.io/tls"
_INVALID = "InvalidCertificateRef"
_FIX = "create a Secret of type kubernetes.io/tls with tls.crt and tls.key"


def certificate_findings(
    view: View, parent: Ref, path: str, refs: Iterable[SecretObjectReference]
) -> Iterator[Finding]:
    """Report the references of a Gateway or ListenerSet that lead to no certificate; `path` is their list."""
    for i, ref in enumerate(refs):
        if problem := _problem(view, parent, ref):
            message = f"{problem.message}; the listener is not served"
            yield Finding(parent, problem.reason, message, f"{path}[{i}].{problem.field}", fix=problem.fix)


def client_certificate_findings(view: View, obj: Object[Gateway]) -> Iterator[Finding]:
    """Report why a Gateway has no certificate to present to backends."""
    ref = obj.spec.tls.backend.client_certificate_ref if obj.spec.tls.backend is not None else None
    problem = _problem(view, obj.ref, ref) if ref is not None else None
    if problem:
        reason = "InvalidClientCertificateRef" if problem.reason == _INVALID else problem.reason
        path = f"spec.tls.backend.clientCertificateRef.{problem.field}"
        message = f"{problem.message}; no certificate is presented to backends"
        yield Finding(obj.ref, reason, message, path, fix=problem.fix)


def client_certificate_of(view: View, obj: Object[Gateway]) -> str:
    """Return the Secret whose certificate a Gateway presents to backends; "" without a usable one."""
    ref = obj.spec.tls.backend.client_certificate_ref if obj.spec.tls.backend is not None else None
    if ref is None or _problem(view, obj.ref, ref):
        return ""
    return next(iter(credentials_of(obj.ref, (ref,))))


def credentials_of(parent: Ref, refs: Iterable[SecretObjectReference]) -> tuple[str, ...]:
    """Return the Secrets that references lead to, as nouns name them: `namespace/name`."""
    return tuple(f"{ref.namespace or parent.namespace}/{ref.name}" for ref in refs)


def _problem(view: View, parent: Ref, ref: SecretObjectReference) -> RefProblem | None:
    if (ref.group, ref.kind) != (SECRET.group, SECRET.name):
        message = f"{ref.kind} of {group_name(ref.group)} cannot hold a certificate"
        return RefProblem(_INVALID, "kind", message, "use a Secret")
    target = Ref(SECRET.key, ref.namespace or parent.namespace, ref.name)
    return grant_problem(view, parent, target) or _secret_problem(view, target)


def _secret_problem(view: View, ref: Ref) -> RefProblem | None:
    """Return why a Secret holds no certificate. One with a malformed certificate was refused when it was decoded."""
    problem = RefProblem(_INVALID, "name", f"{ref} not found, or without a usable certificate and key", _FIX)
    if not any(credential.chain for credential in view.lowered(ref).credentials):
        return problem
    secret = view.get(ref)
    if secret is not None and secret.spec.type != _TLS:
        return msgspec.structs.replace(problem, message=f"{ref} has type {secret.spec.type}, not {_TLS}")
    return None
