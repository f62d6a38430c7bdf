"""ServerTLSSettings -> Termination."""

import re
from collections.abc import Iterator

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.gateways import CertificateFiles, ClientCertificate, Termination
from mirrorplane.api.kinds.istio import gateway as istio
from mirrorplane.api.meta import Ref

PASSTHROUGH = "PASSTHROUGH"
_CLIENT_CERTIFICATES = {
    "SIMPLE": ClientCertificate.NONE,
    "MUTUAL": ClientCertificate.REQUIRED,
    "OPTIONAL_MUTUAL": ClientCertificate.OPTIONAL,
}
NOT_SERVED = {
    "ISTIO_MUTUAL": "ISTIO_MUTUAL needs certificates for workloads, which are not issued here",
    "AUTO_PASSTHROUGH": "AUTO_PASSTHROUGH is for traffic between clusters of one mesh, which is not served",
}
MODES = (PASSTHROUGH, *_CLIENT_CERTIFICATES, *NOT_SERVED)
_VERSIONS = {
    "TLS_AUTO": "",
    "TLSV1_0": "TLSv1_0",
    "TLSV1_1": "TLSv1_1",
    "TLSV1_2": "TLSv1_2",
    "TLSV1_3": "TLSv1_3",
}
_OLDEST, _NEWEST = "TLSv1_2", "TLSv1_3"
_CIPHERS = frozenset(
    (
        *("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"),
        *("ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305"),
        *("ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA", "ECDHE-RSA-AES256-SHA"),
        *("AES128-GCM-SHA256", "AES256-GCM-SHA384", "AES128-SHA", "AES256-SHA", "DES-CBC3-SHA"),
    )
)
_CREDENTIAL = re.compile(r"([a-z0-9]([-a-z0-9]*[a-z0-9])?/)?[a-z0-9]([-.a-z0-9]*[a-z0-9])?")
_CA = "-cacert"
_SPKI = re.compile(r"[A-Za-z0-9+/]{43}=")
_HASH = re.compile(r"[0-9A-Fa-f]{64}|([0-9A-Fa-f]{2}:){31}[0-9A-Fa-f]{2}")


def termination_of(said: istio.ServerTLSSettings) -> Termination | None:
    """Return how TLS is taken off; None when it is not."""
    if said.mode not in _CLIENT_CERTIFICATES:
        return None
    pairs = said.tls_certificates
    if said.server_certificate:
        pairs = (istio.TLSCertificate(said.server_certificate, said.private_key),)
    return Termination(
        client_certificate=_CLIENT_CERTIFICATES[said.mode],
        credentials=said.credential_names or ((said.credential_name,) if said.credential_name else ()),
        ca_credential=said.ca_cert_credential_name,
        files=tuple(CertificateFiles(pair.server_certificate, pair.private_key) for pair in pairs),
        ca=said.ca_certificates or next((pair.ca_certificates for pair in pairs if pair.ca_certificates), ""),
        crl=said.ca_crl,
        names=said.subject_alt_names,
        spki=said.verify_certificate_spki,
        hashes=said.verify_certificate_hash,
        oldest=_VERSIONS[said.min_protocol_version] or _OLDEST,
        newest=_VERSIONS[said.max_protocol_version] or _NEWEST,
        ciphers=tuple(dict.fromkeys(cipher for cipher in said.cipher_suites if cipher in _CIPHERS)),
    )


def tls_findings(about: Ref, path: str, said: istio.ServerTLSSettings) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses, and what Envoy would."""
    if said.mode not in MODES:
        yield _wrong(about, f"{said.mode} is none of {', '.join(MODES)}", f"{path}.mode")
        return
    yield from _source_findings(about, path, said)
    yield from _client_findings(about, path, said)
    for field, version in (
        ("minProtocolVersion", said.min_protocol_version),
        ("maxProtocolVersion", said.max_protocol_version),
    ):
        if version not in _VERSIONS:
            yield _wrong(about, f"{version} is none of {', '.join(_VERSIONS)}", f"{path}.{field}")
    oldest, newest = (_VERSIONS.get(v, "") for v in (said.min_protocol_version, said.max_protocol_version))
    if (oldest or _OLDEST) > (newest or _NEWEST):
        message = f"no version is both {oldest or _OLDEST} or newer and {newest or _NEWEST} or older"
        yield _wrong(about, message, f"{path}.maxProtocolVersion")
    yield from _cipher_findings(about, path, said)


def tls_advice(about: Ref, path: str, said: istio.ServerTLSSettings) -> Iterator[Finding]:
    """Say what of it is not served: the object stands all the same, for its other servers."""
    if said.mode in NOT_SERVED:
        message = f"{NOT_SERVED[said.mode]}: nothing listens for this server"
        yield Finding(about, "ModeNotServed", message, f"{path}.mode", fix="use SIMPLE, MUTUAL or PASSTHROUGH")
    if said.mode == PASSTHROUGH and _sources(said):
        message = "with PASSTHROUGH, which is the default mode, TLS is not taken off here and no certificate is used"
        yield Finding(about, "CertificateUnused", message, f"{path}.mode", Severity.WARNING, "set mode to SIMPLE")


def _source_findings(about: Ref, path: str, said: istio.ServerTLSSettings) -> Iterator[Finding]:
    sources = _sources(said)
    if said.mode == "ISTIO_MUTUAL" and (sources or said.ca_certificates):
        yield _wrong(about, f"ISTIO_MUTUAL TLS cannot have associated {', '.join(sources) or 'caCertificates'}", path)
    if len(sources) > 1:
        message = (
            "only one of credentialName, credentialNames, serverCertificate/privateKey and tlsCertificates"
            f" should be specified, not {' and '.join(sources)}"
        )
        yield _wrong(about, message, path)
    if said.mode in _CLIENT_CERTIFICATES and not sources:
        yield _wrong(about, f"{said.mode} requires a server certificate", path, "name a Secret in credentialName")
    pairs = [(f"{path}.tlsCertificates[{i}]", pair) for i, pair in enumerate(said.tls_certificates)]
    if said.server_certificate or said.private_key:
        pairs.append((path, istio.TLSCertificate(said.server_certificate, said.private_key)))
    for where, pair in pairs:
        for field, text in (("serverCertificate", pair.server_certificate), ("privateKey", pair.private_key)):
            if not text or "\0" in text:
                yield _wrong(about, f"{said.mode} requires a file in {field}", f"{where}.{field}")
    yield from _name_findings(about, path, said)


def _name_findings(about: Ref, path: str, said: istio.ServerTLSSettings) -> Iterator[Finding]:
    names = [(f"credentialNames[{i}]", name) for i, name in enumerate(said.credential_names)]
    single = {"credentialName": said.credential_name, "caCertCredentialName": said.ca_cert_credential_name}
    names += [(field, name) for field, name in single.items() if name]
    for field, name in names:
        if not _CREDENTIAL.fullmatch(name):
            yield _wrong(about, f"{name!r} is not the name of a Secret, or namespace/name", f"{path}.{field}")
        elif name.endswith(_CA) and field != "caCertCredentialName":
            yield _wrong(about, f"{name} is the name of a Secret with a CA, by its end {_CA}", f"{path}.{field}")


def _client_findings(about: Ref, path: str, said: istio.ServerTLSSettings) -> Iterator[Finding]:
    """Check what is wanted of clients."""
    by_name = said.credential_name or said.credential_names or said.ca_cert_credential_name
    ca = said.ca_certificates or any(pair.ca_certificates for pair in said.tls_certificates)
    if said.mode in {"MUTUAL", "OPTIONAL_MUTUAL"} and not by_name and not ca:
        yield _wrong(about, f"{said.mode} requires a client CA bundle", f"{path}.caCertificates")
    if said.mode == "SIMPLE" and (
        said.subject_alt_names or said.verify_certificate_spki or said.verify_certificate_hash
    ):
        message = "SIMPLE asks clients for no certificate, so there is nothing to compare these with"
        yield Finding(about, "ClientUnchecked", message, path, Severity.WARNING, "set mode to MUTUAL")
    for field, values, form in (
        ("verifyCertificateSpki", said.verify_certificate_spki, _SPKI),
        ("verifyCertificateHash", said.verify_certificate_hash, _HASH),
    ):
        for i, value in enumerate(values):
            if not form.fullmatch(value):
                yield _wrong(about, "this is not a SHA-256 sum as Envoy reads it", f"{path}.{field}[{i}]")
    for i, name in enumerate(said.subject_alt_names):
        if not name:
            yield _wrong(about, "the name is empty", f"{path}.subjectAltNames[{i}]")
    for field, text in (("caCertificates", said.ca_certificates), ("caCrl", said.ca_crl)):
        if "\0" in text:
            yield _wrong(about, "a file name has no zero bytes", f"{path}.{field}")


def _cipher_findings(about: Ref, path: str, said: istio.ServerTLSSettings) -> Iterator[Finding]:
    """Tell of ciphers that Envoy does not know. Istio leaves them out; with none left all would be allowed again."""
    unknown = [cipher for cipher in said.cipher_suites if cipher not in _CIPHERS]
    if unknown:
        severity = Severity.WARNING if set(said.cipher_suites) & _CIPHERS else Severity.ERROR
        message = f"ignoring invalid cipher suites: {', '.join(unknown)}"
        fix = f"use some of {', '.join(sorted(_CIPHERS))}"
        yield Finding(about, "InvalidCipher", message, f"{path}.cipherSuites", severity, fix)


def _sources(said: istio.ServerTLSSettings) -> list[str]:
    """Return which of the ways to name a certificate are used."""
    found = {
        "credentialName": said.credential_name,
        "credentialNames": said.credential_names,
        "serverCertificate/privateKey": said.server_certificate or said.private_key,
        "tlsCertificates": said.tls_certificates,
    }
    return [name for name, value in found.items() if value]


def _wrong(about: Ref, message: str, path: str, fix: str = "") -> Finding:
    return Finding(about, "InvalidTls", message, path, fix=fix)
