"""What a Gateway asks of clients at its HTTPS listeners: spec.tls.frontend, for all ports or for single ones."""

from collections.abc import Iterator

import msgspec

from mirrorplane.api.credentials import CaRefs
from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.gateways import ClientCertificate, Termination
from mirrorplane.api.kinds.gateway_api import gateway as gw
from mirrorplane.api.meta import Object, Ref
from mirrorplane.api.view import View
from mirrorplane.translators.gateway_api.gateway import ca_refs
from mirrorplane.translators.gateway_api.gateway.certificates import credentials_of
from mirrorplane.translators.gateway_api.gateway.protocols import ends_tls

Gateway = Object[gw.Gateway]
NO_AUTHORITY = "NoValidCACertificate"
_ASKS = {"AllowValidOnly": ClientCertificate.REQUIRED, "AllowInsecureFallback": ClientCertificate.UNVERIFIED}
_REASONS = {ca_refs.INVALID_KIND: "InvalidCACertificateKind"}
_FRONTEND = "spec.tls.frontend"


def termination_of(view: View, obj: Gateway, owner: Ref, said: gw.Listener) -> Termination | None:
    """Return how TLS is taken off at a listener of a Gateway or of a ListenerSet; None where it is passed on."""
    if not ends_tls(said):
        return None
    refs = said.tls.certificate_refs if said.tls is not None else ()
    plain = Termination(credentials=credentials_of(owner, refs), referrer=owner)
    _, asked = _validation(obj, said)
    if asked is None:
        return plain
    trust = CaRefs(obj.ref, ca_refs.usable(view, obj.ref, asked.ca_certificate_refs, ca_refs.ANY))
    return msgspec.structs.replace(plain, client_certificate=_ASKS[asked.mode], client_ca=trust)


def client_findings(view: View, obj: Gateway, owner: Ref, path: str, said: gw.Listener) -> Iterator[Finding]:
    """Say at a listener which authorities of clients there are not; without any, nothing listens."""
    where, asked = _validation(obj, said)
    refs = asked.ca_certificate_refs if asked is not None else ()
    good = 0
    for i, ref in enumerate(refs):
        reason, field, sentence = ca_refs.problem(view, obj.ref, ref, ca_refs.ANY)
        good += not reason
        if reason:
            message = f"{where}.caCertificateRefs[{i}].{field} of {obj.ref}: {sentence}"
            yield Finding(owner, _REASONS.get(reason, reason), message, f"{path}.port")
    if refs and not good:
        message = f"{where}.caCertificateRefs of {obj.ref} leads to no authority that clients could be verified by"
        yield Finding(owner, NO_AUTHORITY, f"{message}: nothing listens for this listener", f"{path}.port")


def fallback_findings(obj: Gateway) -> Iterator[Finding]:
    """Warn where clients are let in whatever they show."""
    for path, said in _all(obj):
        if said.mode == "AllowInsecureFallback":
            message = "clients are let in without a certificate, and with one that does not hold"
            fix = "use AllowValidOnly, which is the default"
            yield Finding(obj.ref, "ConfigurationChanged", message, f"{path}.mode", Severity.WARNING, fix)


def frontend_rules(obj: Gateway) -> Iterator[Finding]:
    """Refuse what the API server refuses."""
    frontend = obj.spec.tls.frontend
    seen: set[int] = set()
    for i, one in enumerate(frontend.per_port if frontend is not None else ()):
        if one.port in seen:
            message = "Port for TLS configuration must be unique within the Gateway"
            yield Finding(obj.ref, "InvalidTls", message, f"{_FRONTEND}.perPort[{i}].port")
        seen.add(one.port)


def _validation(obj: Gateway, said: gw.Listener) -> tuple[str, gw.FrontendTLSValidation | None]:
    """Return what is asked of clients at a listener, and its field. Gateway API: a port's own replaces the default."""
    frontend = obj.spec.tls.frontend
    if frontend is None or said.protocol != "HTTPS":
        return "", None
    for i, one in enumerate(frontend.per_port):
        if one.port == said.port:
            return f"{_FRONTEND}.perPort[{i}].tls.validation", one.tls.validation
    return f"{_FRONTEND}.default.validation", frontend.default.validation


def _all(obj: Gateway) -> Iterator[tuple[str, gw.FrontendTLSValidation]]:
    frontend = obj.spec.tls.frontend
    if frontend is not None:
        said = [(f"{_FRONTEND}.default", frontend.default)]
        said += [(f"{_FRONTEND}.perPort[{i}].tls", one.tls) for i, one in enumerate(frontend.per_port)]
        yield from ((f"{path}.validation", one.validation) for path, one in said if one.validation is not None)
