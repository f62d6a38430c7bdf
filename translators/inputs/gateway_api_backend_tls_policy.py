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
from mirrorplane.translators.gateway_api.gateway.ca_refs import LOCAL, problem, usable
from mirrorplane.translators.gateway_api.names import hostname_problem

Policy = Object[gw.BackendTLSPolicy]
_SERVICE = ("", "Service")
_URI = re.compile(r"[^:/?#]+://[^/?#]*[^?#]*(?:\?[^#]*)?(?:#.*)?")
_CAS = "spec.validation.caCertificateRefs"


def lower(view: View, obj: Policy) -> Lowered:
    """Return how the targets are called; one without a single authority keeps them from being called at all."""
    tls = _tls(view, obj)
    found = tuple(BackendTls(service, port, tls, obj.ref, obj.created) for service, port in _claims(obj))
    return Lowered(backend_tls=found, findings=(*_target_findings(view, obj), *_authority_findings(view, obj)))


def validate(obj: Policy) -> Iterator[Finding]:
    """Refuse what the API server refuses."""
    yield from _distinct_findings(obj)
    said, where = obj.spec.validation, "spec.validation"
    if said.ca_certificate_refs and said.well_known_ca_certificates:
        message = "must not contain both CACertificateRefs and WellKnownCACertificates"
        yield Finding(obj.ref, "InvalidTls", message, where)
    if not said.ca_certificate_refs and not said.well_known_ca_certificates:
        message = "must specify either CACertificateRefs or WellKnownCACertificates"
        yield Finding(obj.ref, "InvalidTls", message, where)
    if wrong := hostname_problem(said.hostname, precise=True):
        yield Finding(obj.ref, "InvalidHostname", wrong, f"{where}.hostname")
    for i, name in enumerate(said.subject_alt_names):
        yield from _name_findings(obj.ref, f"{where}.subjectAltNames[{i}]", name)


def _tls(view: View, obj: Policy) -> Tls:
    said = obj.spec.validation
    names = tuple(name.hostname or name.uri for name in said.subject_alt_names) or (said.hostname,)
    authorities = usable(view, obj.ref, said.ca_certificate_refs, LOCAL)
    broken = f"{obj.ref} names no authority that there is" if said.ca_certificate_refs and not authorities else ""
    return Tls(TlsMode.TLS, sni=said.hostname, subject_alt_names=names, ca_refs=authorities, problem=broken)


def _target_findings(view: View, obj: Policy) -> Iterator[Finding]:
    for i, to in enumerate(obj.spec.target_refs):
        path = f"spec.targetRefs[{i}]"
        if not _is_service(to):
            message = f"a {to.kind} is no target that is served here: the policy changes nothing for it"
            yield Finding(obj.ref, "Invalid", message, f"{path}.kind", fix="name a Service")
            continue
        ref = _service(obj, to)
        service = next(iter(view.lowered(ref).services), None)
        if service is None:
            yield Finding(obj.ref, "TargetNotFound", f"there is no {ref} that could be called", f"{path}.name")
        elif to.section_name and to.section_name not in {port.name for port in service.ports}:
            known = ", ".join(port.name for port in service.ports if port.name)
            message = f"{ref} has no port that is called {to.section_name} (it has {known or 'none with a name'})"
            yield Finding(obj.ref, "TargetNotFound", message, f"{path}.sectionName")
        if winner := _older(view, obj, to):
            message = f"{winner} is older and says how this target is called: this policy changes nothing for it"
            yield Finding(obj.ref, "Conflicted", message, path, fix="delete one of them, or name different ports")


def _older(view: View, obj: Policy, to: gw.LocalPolicyTargetReference) -> Ref | None:
    """Return the policy that wins a target against this one. Gateway API: the older, then by name."""
    claim = _service(obj, to), to.section_name
    rivals: list[Policy] = [one for one in view.by("service.tls", str(claim[0])) if claim in _claims(one)]
    first = min(rivals, key=lambda one: (one.created, one.ref.namespace, one.ref.name), default=obj)
    return first.ref if first.ref != obj.ref else None


def _authority_findings(view: View, obj: Policy) -> Iterator[Finding]:
    said, good = obj.spec.validation.ca_certificate_refs, False
    for i, ref in enumerate(said):
        reason, field, sentence = problem(view, obj.ref, ref, LOCAL)
        good = good or not reason
        if reason:
            yield Finding(obj.ref, reason, sentence, f"{_CAS}[{i}].{field}")
    if said and not good:
        message = (
            "none of the references leads to authorities: requests to the targets are answered 503, nothing is copied"
        )
        yield Finding(obj.ref, "NoValidCACertificate", message, _CAS, fix="create one of the ConfigMaps")
    if obj.spec.options:
        message = "no options are known here: they change nothing"
        yield Finding(obj.ref, "OptionsLeftOut", message, "spec.options", Severity.WARNING)


def _distinct_findings(obj: Policy) -> Iterator[Finding]:
    """Refuse two references to one target that do not say which part of it each is about."""
    seen: dict[tuple[str, str, str], list[str]] = {}
    when = "when targetRefs includes 2 or more references to the same target"
    for i, to in enumerate(obj.spec.target_refs):
        sections = seen.setdefault((to.group, to.kind, to.name), [])
        if to.section_name in sections:
            yield Finding(obj.ref, "InvalidTarget", f"sectionName must be unique {when}", f"spec.targetRefs[{i}]")
        elif sections and "" in {to.section_name, *sections}:
            yield Finding(obj.ref, "InvalidTarget", f"sectionName must be specified {when}", f"spec.targetRefs[{i}]")
        sections.append(to.section_name)


def _name_findings(about: Ref, path: str, said: gw.SubjectAltName) -> Iterator[Finding]:
    for kind, field, text in (("Hostname", "hostname", said.hostname), ("URI", "uri", said.uri)):
        if said.type == kind and not text:
            message = f"SubjectAltName element must contain {kind}, if Type is set to {kind}"
            yield Finding(about, "InvalidTls", message, f"{path}.{field}")
        if said.type != kind and text:
            message = f"SubjectAltName element must not contain {kind}, if Type is not set to {kind}"
            yield Finding(about, "InvalidTls", message, f"{path}.{field}")
    if said.hostname and (wrong := hostname_problem(said.hostname)):
        yield Finding(about, "InvalidHostname", wrong, f"{path}.hostname")
    if said.uri and not _URI.fullmatch(said.uri):
        yield Finding(about, "InvalidTls", f"{said.uri!r} is no URI of the form scheme://...", f"{path}.uri")


def _is_service(to: gw.LocalPolicyTargetReference) -> bool:
    return (to.group, to.kind) == _SERVICE


def _service(obj: Policy, to: gw.LocalPolicyTargetReference) -> Ref:
    return Ref(SERVICE.key, obj.ref.namespace, to.name)


def _claims(obj: Policy) -> tuple[tuple[Ref, str], ...]:
    """Return the targets that are served: Services, and the names of their ports, "" for all of them."""
    return tuple((_service(obj, to), to.section_name) for to in obj.spec.target_refs if _is_service(to))


def _by_service(obj: Policy) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(service) for service, _ in _claims(obj)))


def _with_authorities(obj: Policy) -> tuple[str, ...]:
    return ("*",) if obj.spec.validation.ca_certificate_refs else ()


INPUT = Input(
    kinds=(gw.BACKEND_TLS_POLICY,),
    lower=lower,
    validate=validate,
    indexes={"service.tls": _by_service, "service.tls.ca_refs": _with_authorities},
)
