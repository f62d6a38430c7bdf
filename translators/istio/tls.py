"""ClientTLSSettings -> Tls."""

from collections.abc import Iterator

from mirrorplane.api.cluster_policy import Tls, TlsMode
from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.kinds.istio import destination_rule as istio
from mirrorplane.api.meta import Ref
from mirrorplane.translators.istio.left_out import left_out

_MODES = {
    "DISABLE": TlsMode.DISABLE,
    "SIMPLE": TlsMode.TLS,
    "MUTUAL": TlsMode.MUTUAL,
    "ISTIO_MUTUAL": TlsMode.ISTIO_MUTUAL,
}
_LONGEST_SNI = 255
"""Envoy's limit."""


def tls_of(spec: istio.ClientTLSSettings | None) -> Tls | None:
    """Return how TLS is originated."""
    if spec is None:
        return None
    return Tls(
        mode=_MODES[spec.mode],
        certificate=spec.client_certificate,
        key=spec.private_key,
        ca=spec.ca_certificates,
        crl=spec.ca_crl,
        credential_name=spec.credential_name,
        sni=spec.sni,
        subject_alt_names=spec.subject_alt_names,
        verify=not spec.insecure_skip_verify,
    )


def tls_findings(about: Ref, path: str, spec: istio.ClientTLSSettings | None) -> Iterator[Finding]:
    """Refuse what Istio's validation and Envoy refuse."""
    if spec is None:
        return
    if spec.mode not in _MODES:
        yield Finding(about, "InvalidTls", f"{spec.mode} is not one of {', '.join(_MODES)}", f"{path}.mode")
    if spec.insecure_skip_verify and spec.mode == "SIMPLE" and spec.credential_name:
        # In mode MUTUAL the Secret may have only the client's certificate.
        message = "cannot specify CredentialName when InsecureSkipVerify is set true: the Secret's CA would be unused"
        yield Finding(about, "InvalidTls", message, f"{path}.insecureSkipVerify", fix="remove one of the two")
    if spec.insecure_skip_verify and (spec.ca_certificates or spec.subject_alt_names):
        message = "cannot specify CaCertificates or SubjectAltNames when InsecureSkipVerify is set true"
        yield Finding(about, "InvalidTls", message, f"{path}.insecureSkipVerify")
    if spec.mode == "MUTUAL" and not spec.credential_name:
        for field, text, label in (
            ("clientCertificate", spec.client_certificate, "client certificate"),
            ("privateKey", spec.private_key, "private key"),
        ):
            if not text:
                yield Finding(about, "InvalidTls", f"{label} required for mutual tls", f"{path}.{field}")
    if spec.credential_name and (spec.client_certificate or spec.private_key or spec.ca_certificates):
        message = "cannot specify client certificates or CA certificate If credentialName is set"
        yield Finding(about, "InvalidTls", message, f"{path}.credentialName")
    if spec.mode == "ISTIO_MUTUAL" and (spec.client_certificate or spec.private_key or spec.ca_certificates):
        message = "cannot specify certificates with ISTIO_MUTUAL, which uses the mesh's own"
        yield Finding(about, "InvalidTls", message, f"{path}.mode")
    yield from _text_findings(about, path, spec)


def tls_advice(about: Ref, path: str, spec: istio.ClientTLSSettings | None) -> Iterator[Finding]:
    """Report unsupported settings, which do not affect other ports, subsets and proxies."""
    if spec is None:
        return
    if spec.insecure_skip_verify and spec.mode in {"SIMPLE", "MUTUAL"}:
        reason = "PortNotVerified" if ".portLevelSettings[" in path else "NotVerified"
        message = "the server's certificate is not verified, so connections can be intercepted"
        fix = "remove insecureSkipVerify, and set caCertificates to the CAs to trust"
        yield Finding(about, reason, message, f"{path}.insecureSkipVerify", Severity.WARNING, fix)
    if spec.mode == "ISTIO_MUTUAL":
        message = (
            "ISTIO_MUTUAL needs workload certificates, which Mirrorplane does not issue: affected requests get 503, "
            "and nothing is mirrored"
        )
        fix = "use DISABLE, or SIMPLE or MUTUAL with files on the proxy's machine"
        yield Finding(about, "NoWorkloadCertificates", message, f"{path}.mode", fix=fix)
    yield from left_out(
        about,
        path,
        {
            "caCertCredentialName": (
                spec.ca_cert_credential_name,
                "CAs come from caCertificates, or from the ca.crt of credentialName",
            )
        },
    )
    if spec.credential_name:
        effect = (
            "their requests get 503" if spec.mode == "MUTUAL" else "they verify the server with the system's CA bundle"
        )
        message = f"credentialName works at routers only; sidecars receive no Secrets: {effect}"
        fix = "for sidecars, use files on the proxy's machine instead"
        yield Finding(about, "CredentialNotSent", message, f"{path}.credentialName", Severity.WARNING, fix)


def _text_findings(about: Ref, path: str, spec: istio.ClientTLSSettings) -> Iterator[Finding]:
    if len(spec.sni.encode()) > _LONGEST_SNI:
        yield Finding(about, "InvalidTls", f"sni is longer than {_LONGEST_SNI} bytes", f"{path}.sni")
    for i, name in enumerate(spec.subject_alt_names):
        if not name:
            yield Finding(about, "InvalidTls", "the name must not be empty", f"{path}.subjectAltNames[{i}]")
    for field, text in (
        ("clientCertificate", spec.client_certificate),
        ("privateKey", spec.private_key),
        ("caCertificates", spec.ca_certificates),
        ("caCrl", spec.ca_crl),
    ):
        if "\0" in text:
            yield Finding(about, "InvalidTls", "a file name must not contain NUL", f"{path}.{field}")
