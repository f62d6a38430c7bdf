"""ServerTLSSettings -> Termination."""

import re
from collections.abc import Iterator

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.gateways import CertificateFiles, ClientCertificate, Termination
from mirrorplane.api.kinds.istio import gateway as istio
from mirrorplane.api.meta import Ref
from mirrorplane.translators.istio.tls_parameters import ciphers_of, curves_of, parameter_advice, protocol_findings

PASSTHROUGH = "PASSTHROUGH"
_CLIENT_CERTIFICATES = {
    "SIMPLE": ClientCertificate.NONE,
    "MUTUAL": ClientCertificate.REQUIRED,
    "OPTIONAL_MUTUAL": ClientCertificate.OPTIONAL,
}
_UNVERIFIED = {
    ClientCertificate.REQUIRED: ClientCertificate.REQUIRED_UNVERIFIED,
    ClientCertificate.OPTIONAL: ClientCertificate.UNVERIFIED,
}
NOT_SERVED = {
    "ISTIO_MUTUAL": "ISTIO_MUTUAL needs workload certificates, which Mirrorplane does not issue",
    "AUTO_PASSTHROUGH": "AUTO_PASSTHROUGH is for multi-cluster traffic, which is not supported",
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
_CREDENTIAL = re.compile(r"([a-z0-9]([-a-z0-9]*[a-z0-9])?/)?[a-z0-9]([-.a-z0-9]*[a-z0-9])?")
# The suffix of Istio's Secrets, and SDS names, that hold the CA of a credential.
_CA = "-cacert"
# Base64 of a SHA-256: 32 bytes are 43 characters and one `=`.
_SPKI = re.compile(r"[A-Za-z0-9+/]{43}=")
_HASH = re.compile(r"[0-9A-Fa-f]{64}|([0-9A-Fa-f]{2}:){31}[0-9A-Fa-f]{2}")


def termination_of(spec: istio.ServerTLSSettings) -> Termination | None:
    """Return how TLS is terminated; None when it is passed through."""
    if spec.mode not in _CLIENT_CERTIFICATES:
        return None
    pairs = spec.tls_certificates
    if spec.server_certificate:
        pairs = (istio.TLSCertificate(spec.server_certificate, spec.private_key),)
    return Termination(
        client_certificate=_client_certificate(spec),
        credentials=spec.credential_names or ((spec.credential_name,) if spec.credential_name else ()),
        ca_credential=spec.ca_cert_credential_name,
        files=tuple(CertificateFiles(pair.server_certificate, pair.private_key) for pair in pairs),
        ca=spec.ca_certificates or next((pair.ca_certificates for pair in pairs if pair.ca_certificates), ""),
        crl=spec.ca_crl,
        names=spec.subject_alt_names,
        spki=spec.verify_certificate_spki,
        hashes=spec.verify_certificate_hash,
        oldest=_VERSIONS[spec.min_protocol_version] or _OLDEST,
        newest=_VERSIONS[spec.max_protocol_version] or _NEWEST,
        ciphers=ciphers_of(spec),
        curves=curves_of(spec),
        alpn=spec.alpn_protocols,
    )


def _client_certificate(spec: istio.ServerTLSSettings) -> ClientCertificate:
    verified = _CLIENT_CERTIFICATES[spec.mode]
    return _UNVERIFIED.get(verified, verified) if spec.insecure_skip_verify else verified


def tls_findings(about: Ref, path: str, spec: istio.ServerTLSSettings) -> Iterator[Finding]:
    """Refuse what Istio's validation and Envoy refuse."""
    if spec.mode not in MODES:
        yield _wrong(about, f"{spec.mode} is not one of {', '.join(MODES)}", f"{path}.mode")
        return
    yield from _source_findings(about, path, spec)
    yield from _client_findings(about, path, spec)
    yield from protocol_findings(about, path, spec)
    for field, version in (
        ("minProtocolVersion", spec.min_protocol_version),
        ("maxProtocolVersion", spec.max_protocol_version),
    ):
        if version not in _VERSIONS:
            yield _wrong(about, f"{version} is not one of {', '.join(_VERSIONS)}", f"{path}.{field}")
    oldest, newest = (_VERSIONS.get(v, "") for v in (spec.min_protocol_version, spec.max_protocol_version))
    # The words sort as the versions do.
    if (oldest or _OLDEST) > (newest or _NEWEST):
        message = f"minProtocolVersion {oldest or _OLDEST} is newer than maxProtocolVersion {newest or _NEWEST}"
        yield _wrong(about, message, f"{path}.maxProtocolVersion")


def tls_advice(about: Ref, path: str, spec: istio.ServerTLSSettings) -> Iterator[Finding]:
    """Report unsupported settings, which affect this server only: the other servers of the object stay."""
    if spec.mode in NOT_SERVED:
        message = f"{NOT_SERVED[spec.mode]}: no listener is opened for this server"
        yield Finding(about, "ModeNotServed", message, f"{path}.mode", fix="use SIMPLE, MUTUAL or PASSTHROUGH")
    if spec.mode == PASSTHROUGH and _sources(spec):
        message = "mode PASSTHROUGH (the default) does not terminate TLS: the certificate is unused"
        yield Finding(about, "CertificateUnused", message, f"{path}.mode", Severity.WARNING, "set mode to SIMPLE")
    if spec.private_key and not spec.server_certificate:
        message = "privateKey has no effect without serverCertificate: the Secret has the key"
        yield Finding(about, "FieldUnused", message, f"{path}.privateKey", Severity.WARNING, "remove it")
    if spec.insecure_skip_verify and spec.mode in {"MUTUAL", "OPTIONAL_MUTUAL"}:
        message = "client certificates that fail verification are accepted, so clients are not authenticated"
        fix = "remove insecureSkipVerify, unless the workload verifies x-forwarded-client-cert"
        yield Finding(about, "ClientUnchecked", message, f"{path}.insecureSkipVerify", Severity.WARNING, fix)
    yield from parameter_advice(about, path, spec)


def _source_findings(about: Ref, path: str, spec: istio.ServerTLSSettings) -> Iterator[Finding]:
    sources = _sources(spec)
    if spec.mode == "ISTIO_MUTUAL" and (sources or spec.ca_certificates):
        yield _wrong(about, f"ISTIO_MUTUAL TLS cannot have associated {', '.join(sources) or 'caCertificates'}", path)
    if len(sources) > 1:
        message = (
            "only one of credentialName, credentialNames, serverCertificate/privateKey and tlsCertificates"
            f" should be specified, not {' and '.join(sources)}"
        )
        yield _wrong(about, message, path)
    if spec.mode in _CLIENT_CERTIFICATES and not sources:
        yield _wrong(about, f"{spec.mode} requires a server certificate", path, "set credentialName to a Secret")
    pairs = [(f"{path}.tlsCertificates[{i}]", pair) for i, pair in enumerate(spec.tls_certificates)]
    if spec.server_certificate or (spec.private_key and not sources):
        pairs.append((path, istio.TLSCertificate(spec.server_certificate, spec.private_key)))
    for pair_path, pair in pairs:
        for field, text in (("serverCertificate", pair.server_certificate), ("privateKey", pair.private_key)):
            if not text or "\0" in text:
                yield _wrong(about, f"{spec.mode} requires a file in {field}", f"{pair_path}.{field}")
    yield from _name_findings(about, path, spec)


def _name_findings(about: Ref, path: str, spec: istio.ServerTLSSettings) -> Iterator[Finding]:
    names = [(f"credentialNames[{i}]", name) for i, name in enumerate(spec.credential_names)]
    single = {"credentialName": spec.credential_name, "caCertCredentialName": spec.ca_cert_credential_name}
    names += [(field, name) for field, name in single.items() if name]
    for field, name in names:
        if not _CREDENTIAL.fullmatch(name):
            yield _wrong(about, f"{name!r} is neither the name of a Secret nor namespace/name", f"{path}.{field}")
        elif name.endswith(_CA) and field != "caCertCredentialName":
            yield _wrong(
                about, f"{name} ends in {_CA}, so it names a Secret with a CA and not a certificate", f"{path}.{field}"
            )


def _client_findings(about: Ref, path: str, spec: istio.ServerTLSSettings) -> Iterator[Finding]:
    """Check how client certificates are verified."""
    by_name = spec.credential_name or spec.credential_names or spec.ca_cert_credential_name
    ca = spec.ca_certificates or any(pair.ca_certificates for pair in spec.tls_certificates)
    if spec.mode in {"MUTUAL", "OPTIONAL_MUTUAL"} and not by_name and not ca:
        yield _wrong(about, f"{spec.mode} requires a client CA bundle", f"{path}.caCertificates")
    checks = (spec.subject_alt_names, spec.verify_certificate_spki, spec.verify_certificate_hash)
    if spec.mode == "SIMPLE" and (any(checks) or spec.insecure_skip_verify):
        message = "SIMPLE requests no client certificate, so client verification has no effect"
        yield Finding(about, "ClientUnchecked", message, path, Severity.WARNING, "set mode to MUTUAL")
    for field, values, form in (
        ("verifyCertificateSpki", spec.verify_certificate_spki, _SPKI),
        ("verifyCertificateHash", spec.verify_certificate_hash, _HASH),
    ):
        for i, value in enumerate(values):
            if not form.fullmatch(value):
                yield _wrong(about, "not a SHA-256 hash in a form that Envoy reads", f"{path}.{field}[{i}]")
    for i, name in enumerate(spec.subject_alt_names):
        if not name:
            yield _wrong(about, "the name must not be empty", f"{path}.subjectAltNames[{i}]")
    for field, text in (("caCertificates", spec.ca_certificates), ("caCrl", spec.ca_crl)):
        if "\0" in text:
            yield _wrong(about, "a file name must not contain NUL", f"{path}.{field}")


def _sources(spec: istio.ServerTLSSettings) -> list[str]:
    """Return the certificate sources that are set."""
    sources = {
        "credentialName": spec.credential_name,
        "credentialNames": spec.credential_names,
        "serverCertificate/privateKey": spec.server_certificate,
        "tlsCertificates": spec.tls_certificates,
    }
    return [name for name, value in sources.items() if value]


def _wrong(about: Ref, message: str, path: str, fix: str = "") -> Finding:
    return Finding(about, "InvalidTls", message, path, fix=fix)
