"""Gateway API's BackendTLSPolicy -> BackendTls, one for each target."""

import re
from collections.abc import Iterator

from mirrorplane.api.cluster_policy import Tls, TlsMode
from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.kinds.gateway_api import backend_tls_policy as gw
from mirrorplane.api.kinds.kube import SERVICE
from mirrorplane.api.mesh import Lowered
from mirrorplane.api.meta import Object, Ref
from mirrorplane.api.traffic_policy import BackendTls
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Input
from mirrorplane.translators.gateway_api.gateway.ca_refs import POLICY_KINDS, ca_ref_problem, usable_refs
from mirrorplane.translators.gateway_api.names import hostname_problem
from mirrorplane.translators.gateway_api.references import find_service

Policy = Object[gw.BackendTLSPolicy]
_SERVICE = ("", "Service")
_URI = re.compile(r"[^:/?#]+://[^/?#]*[^?#]*(?:\?[^#]*)?(?:#.*)?")
_CAS = "spec.validation.caCertificateRefs"


def lower(view: View, obj: Policy) -> Lowered:
    """Return TLS settings for each target; without any usable CA its requests fail, rather than go unverified."""
    tls = _tls(view, obj)
    targets = tuple(BackendTls(service, port, tls, obj.ref, obj.created) for service, port in _targets(obj))
    return Lowered(backend_tls=targets, findings=(*_target_findings(view, obj), *_ca_findings(view, obj)))


def validate(obj: Policy) -> Iterator[Finding]:
    """Report what the API server rejects, in its words."""
    yield from _distinct_findings(obj)
    validation, path = obj.spec.validation, "spec.validation"
    if validation.ca_certificate_refs and validation.well_known_ca_certificates:
        message = "must not contain both CACertificateRefs and WellKnownCACertificates"
        yield Finding(obj.ref, "InvalidTls", message, path)
    if not validation.ca_certificate_refs and not validation.well_known_ca_certificates:
        message = "must specify either CACertificateRefs or WellKnownCACertificates"
        yield Finding(obj.ref, "InvalidTls", message, path)
    if problem := hostname_problem(validation.hostname, precise=True):
        yield Finding(obj.ref, "InvalidHostname", problem, f"{path}.hostname")
    for i, name in enumerate(validation.subject_alt_names):
        yield from _name_findings(obj.ref, f"{path}.subjectAltNames[{i}]", name)


def _tls(view: View, obj: Policy) -> Tls:
    validation = obj.spec.validation
    # Gateway API: with subjectAltNames only these authenticate the backend; `hostname` stays the SNI.
    names = tuple(name.hostname or name.uri for name in validation.subject_alt_names) or (validation.hostname,)
    ca_refs = usable_refs(view, obj.ref, validation.ca_certificate_refs, POLICY_KINDS)
    problem = f"{obj.ref} refers to no usable CA bundle" if validation.ca_certificate_refs and not ca_refs else ""
    return Tls(TlsMode.TLS, sni=validation.hostname, subject_alt_names=names, ca_refs=ca_refs, problem=problem)


def _target_findings(view: View, obj: Policy) -> Iterator[Finding]:
    for i, ref in enumerate(obj.spec.target_refs):
        path = f"spec.targetRefs[{i}]"
        if not _is_service(ref):
            message = f"{ref.kind} is not supported as a target; the policy has no effect on it"
            yield Finding(obj.ref, "Invalid", message, f"{path}.kind", fix="use a Service")
            continue
        target = _service(obj, ref)
        service = find_service(view, target)
        if service is None:
            message = f"{target} not found, or an ExternalName; the policy has no effect on it"
            yield Finding(obj.ref, "TargetNotFound", message, f"{path}.name")
        elif ref.section_name and ref.section_name not in {port.name for port in service.ports}:
            port_names = ", ".join(port.name for port in service.ports if port.name)
            message = f"{target} has no port named {ref.section_name} (its ports: {port_names or 'none with a name'})"
            yield Finding(obj.ref, "TargetNotFound", message, f"{path}.sectionName")
        if winner := _older(view, obj, ref):
            message = f"{winner} is older and has the same target; this policy has no effect on it"
            yield Finding(obj.ref, "Conflicted", message, path, fix="delete one of them, or target different ports")


def _older(view: View, obj: Policy, ref: gw.LocalPolicyTargetReference) -> Ref | None:
    """Return the policy that a target belongs to instead. Gateway API: the oldest wins, then by name."""
    target = _service(obj, ref), ref.section_name
    rivals: list[Policy] = [rival for rival in view.by("service.tls", str(target[0])) if target in _targets(rival)]
    oldest = min(rivals, key=lambda rival: (rival.created, rival.ref.namespace, rival.ref.name), default=obj)
    return oldest.ref if oldest.ref != obj.ref else None


def _ca_findings(view: View, obj: Policy) -> Iterator[Finding]:
    refs = obj.spec.validation.ca_certificate_refs
    problems = [ca_ref_problem(view, obj.ref, ref, POLICY_KINDS) for ref in refs]
    for i, problem in enumerate(problems):
        if problem is not None:
            path = f"{_CAS}[{i}].{problem.field}"
            yield Finding(obj.ref, problem.reason, problem.message, path, fix=problem.fix)
    if refs and None not in problems:
        message = "no CA bundle can be used; requests to the targets are answered 503, and nothing is mirrored to them"
        yield Finding(obj.ref, "NoValidCACertificate", message, _CAS, fix="create one of the ConfigMaps")
    if obj.spec.options:
        message = "options are not supported; they are ignored"
        yield Finding(obj.ref, "OptionsLeftOut", message, "spec.options", Severity.WARNING)


def _distinct_findings(obj: Policy) -> Iterator[Finding]:
    """Report two references to one target that are not about distinct ports of it."""
    sections_by_target: dict[tuple[str, str, str], list[str]] = {}
    when = "when targetRefs includes 2 or more references to the same target"
    for i, ref in enumerate(obj.spec.target_refs):
        sections = sections_by_target.setdefault((ref.group, ref.kind, ref.name), [])
        if ref.section_name in sections:
            yield Finding(obj.ref, "InvalidTarget", f"sectionName must be unique {when}", f"spec.targetRefs[{i}]")
        elif sections and "" in {ref.section_name, *sections}:
            yield Finding(obj.ref, "InvalidTarget", f"sectionName must be specified {when}", f"spec.targetRefs[{i}]")
        sections.append(ref.section_name)


def _name_findings(about: Ref, path: str, name: gw.SubjectAltName) -> Iterator[Finding]:
    for kind, field, text in (("Hostname", "hostname", name.hostname), ("URI", "uri", name.uri)):
        if name.type == kind and not text:
            message = f"SubjectAltName element must contain {kind}, if Type is set to {kind}"
            yield Finding(about, "InvalidTls", message, f"{path}.{field}")
        if name.type != kind and text:
            message = f"SubjectAltName element must not contain {kind}, if Type is not set to {kind}"
            yield Finding(about, "InvalidTls", message, f"{path}.{field}")
    if name.hostname and (problem := hostname_problem(name.hostname)):
        yield Finding(about, "InvalidHostname", problem, f"{path}.hostname")
    if name.uri and not _URI.fullmatch(name.uri):
        yield Finding(about, "InvalidTls", f"invalid URI {name.uri!r}: use scheme://...", f"{path}.uri")


def _is_service(ref: gw.LocalPolicyTargetReference) -> bool:
    return (ref.group, ref.kind) == _SERVICE


def _service(obj: Policy, ref: gw.LocalPolicyTargetReference) -> Ref:
    return Ref(SERVICE.key, obj.ref.namespace, ref.name)


def _targets(obj: Policy) -> tuple[tuple[Ref, str], ...]:
    """Return the supported targets: Services, each with the name of a port, "" for all."""
    return tuple((_service(obj, ref), ref.section_name) for ref in obj.spec.target_refs if _is_service(ref))


def _by_service(obj: Policy) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(service) for service, _ in _targets(obj)))


def _ca_refs_key(obj: Policy) -> tuple[str, ...]:
    return ("*",) if obj.spec.validation.ca_certificate_refs else ()


INPUT = Input(
    kinds=(gw.BACKEND_TLS_POLICY,),
    lower=lower,
    validate=validate,
    indexes={"service.tls": _by_service, "service.tls.ca_refs": _ca_refs_key},
)
