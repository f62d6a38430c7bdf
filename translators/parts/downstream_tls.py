"""Termination -> the transport socket that takes TLS off. Certificates come by name, or are files that Envoy reads."""

from collections.abc import Sequence

from mirrorplane.api.gateways import ClientCertificate, Termination
from mirrorplane.translators import envoy
from mirrorplane.translators.parts.upstream_tls import san_kind, secret, wrapped_socket
from mirrorplane.translators.secrets import own_secrets

HTTP_ALPN = ("h2", "http/1.1")


def taken_off(said: Termination, speaks: Sequence[str]) -> envoy.TransportSocket:
    """Return the socket. `speaks`: the protocols that are offered by ALPN, best first."""
    body = envoy.DownstreamTlsContext()
    body.require_client_certificate.value = said.client_certificate is ClientCertificate.REQUIRED
    common = body.common_tls_context
    version = envoy.TlsParameters.TlsProtocol.Value
    common.tls_params.tls_minimum_protocol_version = version(said.oldest)
    common.tls_params.tls_maximum_protocol_version = version(said.newest)
    common.tls_params.cipher_suites.extend(said.ciphers)
    common.alpn_protocols.extend(speaks)
    for name in own_secrets.certificates(said):
        common.tls_certificate_sds_secret_configs.append(secret(name))
    for files in said.files:
        certificate = common.tls_certificates.add()
        certificate.certificate_chain.filename = files.certificate
        certificate.private_key.filename = files.key
    if said.client_certificate is not ClientCertificate.NONE:
        _ask(body, said)
    return wrapped_socket("tls", body)


def _ask(body: envoy.DownstreamTlsContext, said: Termination) -> None:
    """Say which certificates of clients hold."""
    common = body.common_tls_context
    checks = envoy.CertificateValidationContext(
        verify_certificate_spki=said.spki, verify_certificate_hash=said.hashes, crl=_file(said.crl)
    )
    for name in said.names:
        checks.match_typed_subject_alt_names.add(san_type=san_kind(name), matcher=envoy.StringMatcher(exact=name))
    if said.client_certificate is ClientCertificate.UNVERIFIED:
        checks.trust_chain_verification = envoy.CertificateValidationContext.ACCEPT_UNTRUSTED
    authority = own_secrets.authority(said)
    if authority:
        common.combined_validation_context.default_validation_context.CopyFrom(checks)
        common.combined_validation_context.validation_context_sds_secret_config.CopyFrom(secret(authority))
    else:
        checks.trusted_ca.filename = said.ca
        common.validation_context.CopyFrom(checks)


def _file(name: str) -> envoy.DataSource | None:
    return envoy.DataSource(filename=name) if name else None
