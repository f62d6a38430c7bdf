"""ClientTLSSettings -> Tls."""

from collections.abc import Iterator

from mirrorplane.api.cluster_policy import Tls, TlsMode
from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.kinds.istio import destination_rule as istio
from mirrorplane.api.meta import Ref

_MODES = {
    "DISABLE": TlsMode.DISABLE,
    "SIMPLE": TlsMode.TLS,
    "MUTUAL": TlsMode.MUTUAL,
    "ISTIO_MUTUAL": TlsMode.ISTIO_MUTUAL,
}
_LONGEST_SNI = 255
"""Envoy's limit."""


def tls_of(said: istio.ClientTLSSettings | None) -> Tls | None:
    """Return how the line is secured."""
    if said is None:
        return None
    return Tls(
        mode=_MODES[said.mode],
        certificate=said.client_certificate,
        key=said.private_key,
        ca=said.ca_certificates,
        crl=said.ca_crl,
        credential_name=said.credential_name,
        sni=said.sni,
        subject_alt_names=said.subject_alt_names,
        verify=not said.insecure_skip_verify,
    )


def tls_findings(about: Ref, path: str, said: istio.ClientTLSSettings | None) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses, and what Envoy would."""
    if said is None:
        return
    if said.mode not in _MODES:
        yield Finding(about, "InvalidTls", f"{said.mode} is none of {', '.join(_MODES)}", f"{path}.mode")
    if said.insecure_skip_verify and (said.ca_certificates or said.subject_alt_names):
        message = "cannot specify CaCertificates or SubjectAltNames when InsecureSkipVerify is set true"
        yield Finding(about, "InvalidTls", message, f"{path}.insecureSkipVerify")
    if said.mode == "MUTUAL" and not said.credential_name:
        for field, text, what in (
            ("clientCertificate", said.client_certificate, "client certificate"),
            ("privateKey", said.private_key, "private key"),
        ):
            if not text:
                yield Finding(about, "InvalidTls", f"{what} required for mutual tls", f"{path}.{field}")
    if said.credential_name and (said.client_certificate or said.private_key or said.ca_certificates):
        message = "cannot specify client certificates or CA certificate If credentialName is set"
        yield Finding(about, "InvalidTls", message, f"{path}.credentialName")
    if said.mode == "ISTIO_MUTUAL" and (said.client_certificate or said.private_key or said.ca_certificates):
        message = "cannot specify certificates with ISTIO_MUTUAL: they are the mesh's"
        yield Finding(about, "InvalidTls", message, f"{path}.mode")
    yield from _text_findings(about, path, said)


def tls_advice(about: Ref, path: str, said: istio.ClientTLSSettings | None) -> Iterator[Finding]:
    """Say what of it is not served: the object stands all the same, for other ports, subsets and proxies."""
    if said is None:
        return
    if said.insecure_skip_verify and said.mode in {"SIMPLE", "MUTUAL"}:
        reason = "PortNotVerified" if ".portLevelSettings[" in path else "NotVerified"
        message = "the server's certificate is not verified: whoever answers is believed"
        fix = "leave insecureSkipVerify out, and name the certificates to trust in caCertificates"
        yield Finding(about, reason, message, f"{path}.insecureSkipVerify", Severity.WARNING, fix)
    if said.mode == "ISTIO_MUTUAL":
        message = (
            "ISTIO_MUTUAL needs certificates for workloads, which are not issued here: requests that it applies to "
            "are answered 503, and nothing is copied"
        )
        fix = "use DISABLE, or SIMPLE or MUTUAL with files on the proxy's machine"
        yield Finding(about, "NoWorkloadCertificates", message, f"{path}.mode", fix=fix)
    if said.credential_name:
        effect = (
            "their requests are answered 503"
            if said.mode == "MUTUAL"
            else "they verify the server with the system's certificates"
        )
        message = f"credentialName is for routers; secrets are not sent to sidecars: {effect}"
        fix = "for sidecars, name files on the proxy's machine instead"
        yield Finding(about, "CredentialNotSent", message, f"{path}.credentialName", Severity.WARNING, fix)


def _text_findings(about: Ref, path: str, said: istio.ClientTLSSettings) -> Iterator[Finding]:
    if len(said.sni.encode()) > _LONGEST_SNI:
        yield Finding(about, "InvalidTls", f"sni is longer than {_LONGEST_SNI} bytes", f"{path}.sni")
    for i, name in enumerate(said.subject_alt_names):
        if not name:
            yield Finding(about, "InvalidTls", "the name is empty", f"{path}.subjectAltNames[{i}]")
    for field, text in (
        ("clientCertificate", said.client_certificate),
        ("privateKey", said.private_key),
        ("caCertificates", said.ca_certificates),
        ("caCrl", said.ca_crl),
    ):
        if "\0" in text:
            yield Finding(about, "InvalidTls", "a file name has no zero bytes", f"{path}.{field}")
