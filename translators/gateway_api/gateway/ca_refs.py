"""References to authorities: the entry `ca.crt` of ConfigMaps, and of Secrets where these may be named."""

from collections.abc import Iterable

from mirrorplane.api.kinds.config_map import CONFIG_MAP
from mirrorplane.api.kinds.gateway_api.references import LocalObjectReference, ObjectReference
from mirrorplane.api.kinds.secret import SECRET
from mirrorplane.api.meta import Kind, Ref
from mirrorplane.api.view import View
from mirrorplane.translators.secrets.reference_grants import permitted

LOCAL, ANY = (CONFIG_MAP,), (CONFIG_MAP, SECRET)
"""Which kinds may be named: those of policies, and those of Gateways."""
INVALID_KIND, INVALID_REF, NOT_PERMITTED = "InvalidKind", "InvalidCACertificateRef", "RefNotPermitted"


def problem(view: View, about: Ref, said: LocalObjectReference, kinds: tuple[Kind, ...]) -> tuple[str, str, str]:
    """Return why an object's reference leads to no authorities: reason, field and sentence; ("", "", "") if it does."""
    known = {(kind.group, kind.name) for kind in kinds}
    if (said.group, said.kind) not in known:
        wanted = " or a ".join(kind.name for kind in kinds)
        return INVALID_KIND, "kind", f"{said.kind} is no kind that authorities are read of: only a {wanted} is"
    ref = _ref(about, said)
    if not permitted(view, about, ref):
        return NOT_PERMITTED, "namespace", f"no ReferenceGrant in namespace {ref.namespace} lets {about} refer to {ref}"
    if not any(credential.ca for credential in view.lowered(ref).credentials):
        return INVALID_REF, "name", f"there is no {ref} with certificates of authorities (ca.crt)"
    return "", "", ""


def usable(view: View, about: Ref, said: Iterable[LocalObjectReference], kinds: tuple[Kind, ...]) -> tuple[Ref, ...]:
    """Return what those references lead to that lead to authorities, each once."""
    return tuple(dict.fromkeys(_ref(about, one) for one in said if not problem(view, about, one, kinds)[0]))


def _ref(about: Ref, said: LocalObjectReference) -> Ref:
    namespace = said.namespace if isinstance(said, ObjectReference) else ""
    return Ref(said.kind, namespace or about.namespace, said.name)
