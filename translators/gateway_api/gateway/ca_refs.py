"""References to CA bundles: the entry `ca.crt` of ConfigMaps, and of Secrets where those may be referred to."""

from collections.abc import Iterable

from mirrorplane.api.kinds.config_map import CONFIG_MAP
from mirrorplane.api.kinds.gateway_api.references import LocalObjectReference, ObjectReference
from mirrorplane.api.kinds.secret import SECRET
from mirrorplane.api.meta import Kind, Ref
from mirrorplane.api.view import View
from mirrorplane.translators.gateway_api.references import RefProblem, grant_problem

POLICY_KINDS, GATEWAY_KINDS = (CONFIG_MAP,), (CONFIG_MAP, SECRET)
"""The kinds that a BackendTLSPolicy may refer to, and a Gateway."""
INVALID_KIND = "InvalidKind"


def ca_ref_problem(view: View, about: Ref, ref: LocalObjectReference, kinds: tuple[Kind, ...]) -> RefProblem | None:
    """Return why an object's reference leads to no CA bundle; None if it does."""
    if (ref.group, ref.kind) not in {(kind.group, kind.name) for kind in kinds}:
        supported = " or a ".join(kind.name for kind in kinds)
        return RefProblem(INVALID_KIND, "kind", f"{ref.kind} cannot hold a CA bundle", f"use a {supported}")
    target = _target(about, ref)
    if problem := grant_problem(view, about, target):
        return problem
    if not any(credential.ca for credential in view.lowered(target).credentials):
        message = f"{target} not found, or without a CA bundle in ca.crt"
        return RefProblem("InvalidCACertificateRef", "name", message, "create it, with PEM certificates in ca.crt")
    return None


def usable_refs(
    view: View, about: Ref, refs: Iterable[LocalObjectReference], kinds: tuple[Kind, ...]
) -> tuple[Ref, ...]:
    """Return the objects with a CA bundle that the references lead to, each once."""
    return tuple(dict.fromkeys(_target(about, ref) for ref in refs if not ca_ref_problem(view, about, ref, kinds)))


def _target(about: Ref, ref: LocalObjectReference) -> Ref:
    namespace = ref.namespace if isinstance(ref, ObjectReference) else ""
    return Ref(ref.kind, namespace or about.namespace, ref.name)
