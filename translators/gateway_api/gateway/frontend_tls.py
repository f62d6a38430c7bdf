"""Client certificates at a Gateway's HTTPS listeners: spec.tls.frontend, by default or for one port."""

from collections.abc import Iterator

import msgspec

from mirrorplane.api.credentials import CaRefs
from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.gateways import ClientCertificate, Termination
from mirrorplane.api.kinds.gateway_api import gateway as gw
from mirrorplane.api.meta import Object, Ref
from mirrorplane.api.view import View
from mirrorplane.translators.gateway_api.gateway.ca_refs import (
    GATEWAY_KINDS,
    INVALID_KIND,
    ca_ref_problem,
    usable_refs,
)
from mirrorplane.translators.gateway_api.gateway.certificates import credentials_of
from mirrorplane.translators.gateway_api.gateway.protocols import terminates_tls

Gateway = Object[gw.Gateway]
NO_VALID_CA = "NoValidCACertificate"
_MODES = {"AllowValidOnly": ClientCertificate.REQUIRED, "AllowInsecureFallback": ClientCertificate.UNVERIFIED}
_REASONS = {INVALID_KIND: "InvalidCACertificateKind"}
"""At a listener Gateway API has a reason of its own for the kind of a CA reference."""
_FRONTEND = "spec.tls.frontend"


def termination_of(view: View, obj: Gateway, parent: Ref, spec: gw.Listener) -> Termination | None:
    """Return how TLS is terminated at a listener of a Gateway or ListenerSet; None where it is not."""
    if not terminates_tls(spec):
        return None
    refs = spec.tls.certificate_refs if spec.tls is not None else ()
    termination = Termination(credentials=credentials_of(parent, refs), referrer=parent)
    _, validation = _validation(obj, spec)
    if validation is None:
        return termination
    client_ca = CaRefs(obj.ref, usable_refs(view, obj.ref, validation.ca_certificate_refs, GATEWAY_KINDS))
    return msgspec.structs.replace(termination, client_certificate=_MODES[validation.mode], client_ca=client_ca)


def client_ca_findings(view: View, obj: Gateway, parent: Ref, path: str, spec: gw.Listener) -> Iterator[Finding]:
    """Report at a listener the client CAs that cannot be used; without any it is not served."""
    validation_path, validation = _validation(obj, spec)
    refs = validation.ca_certificate_refs if validation is not None else ()
    problems = [(i, ca_ref_problem(view, obj.ref, ref, GATEWAY_KINDS)) for i, ref in enumerate(refs)]
    # The path is the listener's, which is not served; the message names the Gateway's field.
    for i, problem in problems:
        if problem is not None:
            message = f"{validation_path}.caCertificateRefs[{i}].{problem.field} of {obj.ref}: {problem.message}"
            yield Finding(parent, _REASONS.get(problem.reason, problem.reason), message, f"{path}.port")
    if refs and all(problem is not None for _, problem in problems):
        message = f"no {validation_path}.caCertificateRefs of {obj.ref} can be used; the listener is not served"
        yield Finding(parent, NO_VALID_CA, message, f"{path}.port")


def fallback_findings(obj: Gateway) -> Iterator[Finding]:
    """Warn where clients are accepted without a valid certificate. Gateway API requires the condition."""
    for path, validation in _validations(obj):
        if validation.mode == "AllowInsecureFallback":
            message = "clients without a certificate, or with an invalid one, are accepted"
            fix = "use AllowValidOnly, which is the default"
            yield Finding(obj.ref, "ConfigurationChanged", message, f"{path}.mode", Severity.WARNING, fix)


def frontend_tls_findings(obj: Gateway) -> Iterator[Finding]:
    """Report what the API server rejects, in its words."""
    frontend = obj.spec.tls.frontend
    ports: set[int] = set()
    for i, config in enumerate(frontend.per_port if frontend is not None else ()):
        if config.port in ports:
            message = "Port for TLS configuration must be unique within the Gateway"
            yield Finding(obj.ref, "InvalidTls", message, f"{_FRONTEND}.perPort[{i}].port")
        ports.add(config.port)


def _validation(obj: Gateway, spec: gw.Listener) -> tuple[str, gw.FrontendTLSValidation | None]:
    """Return the client validation of a listener, and its field. Gateway API: a port's own replaces the default."""
    frontend = obj.spec.tls.frontend
    # Gateway API: `frontend` is for HTTPS listeners, not for those of TLS with mode Terminate.
    if frontend is None or spec.protocol != "HTTPS":
        return "", None
    for i, config in enumerate(frontend.per_port):
        if config.port == spec.port:
            return f"{_FRONTEND}.perPort[{i}].tls.validation", config.tls.validation
    return f"{_FRONTEND}.default.validation", frontend.default.validation


def _validations(obj: Gateway) -> Iterator[tuple[str, gw.FrontendTLSValidation]]:
    frontend = obj.spec.tls.frontend
    if frontend is not None:
        configs = [(f"{_FRONTEND}.default", frontend.default)]
        configs += [(f"{_FRONTEND}.perPort[{i}].tls", config.tls) for i, config in enumerate(frontend.per_port)]
        yield from ((f"{path}.validation", tls.validation) for path, tls in configs if tls.validation is not None)
