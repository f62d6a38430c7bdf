"""Termination -> the transport socket that terminates TLS. Certificates come by SDS, or are files that Envoy reads."""

from collections.abc import Sequence

from mirrorplane.api.gateways import ClientCertificate, Termination
from mirrorplane.translators import envoy
from mirrorplane.translators.parts.upstream_tls import san_kind, secret, wrapped_socket
from mirrorplane.translators.secrets import own_secrets

OFFERED_HTTP = ("h2", "http/1.1")
"""The ALPN protocols that HTTPS servers offer, as Istio's do."""
_REQUIRED = frozenset({ClientCertificate.REQUIRED, ClientCertificate.REQUIRED_UNVERIFIED})
_UNVERIFIED = frozenset({ClientCertificate.UNVERIFIED, ClientCertificate.REQUIRED_UNVERIFIED})


def terminating_socket(termination: Termination, alpn: Sequence[str]) -> envoy.TransportSocket:
    """Return the transport socket of a server. `alpn`: the offered protocols, best first, unless it sets others."""
    body = envoy.DownstreamTlsContext()
    body.require_client_certificate.value = termination.client_certificate in _REQUIRED
    common = body.common_tls_context
    version = envoy.TlsParameters.TlsProtocol.Value
    common.tls_params.tls_minimum_protocol_version = version(termination.oldest)
    common.tls_params.tls_maximum_protocol_version = version(termination.newest)
    common.tls_params.cipher_suites.extend(termination.ciphers)
    common.tls_params.ecdh_curves.extend(termination.curves)
    common.alpn_protocols.extend(termination.alpn or alpn)
    for name in own_secrets.server_certificates(termination):
        common.tls_certificate_sds_secret_configs.append(secret(name))
    for files in termination.files:
        certificate = common.tls_certificates.add()
        certificate.certificate_chain.filename = files.certificate
        certificate.private_key.filename = files.key
    if termination.client_certificate is not ClientCertificate.NONE:
        _verify_clients(body, termination)
    return wrapped_socket("tls", body)


def _verify_clients(body: envoy.DownstreamTlsContext, termination: Termination) -> None:
    """Set which client certificates are accepted: by CA bundle, and by names and hashes beside it."""
    common = body.common_tls_context
    checks = envoy.CertificateValidationContext(
        verify_certificate_spki=termination.spki,
        verify_certificate_hash=termination.hashes,
        crl=_file(termination.crl),
    )
    for name in termination.names:
        checks.match_typed_subject_alt_names.add(san_type=san_kind(name), matcher=envoy.StringMatcher(exact=name))
    if termination.client_certificate in _UNVERIFIED:
        # The handshake goes on with a certificate that does not verify (Gateway API: AllowInsecureFallback; Istio:
        # insecureSkipVerify).
        checks.trust_chain_verification = envoy.CertificateValidationContext.ACCEPT_UNTRUSTED
    ca_bundle = own_secrets.client_ca(termination)
    if ca_bundle:
        # SDS brings the CA alone; Envoy adds the names, hashes and CRL of this context to it.
        common.combined_validation_context.default_validation_context.CopyFrom(checks)
        common.combined_validation_context.validation_context_sds_secret_config.CopyFrom(secret(ca_bundle))
    else:
        checks.trusted_ca.filename = termination.ca
        common.validation_context.CopyFrom(checks)


def _file(name: str) -> envoy.DataSource | None:
    return envoy.DataSource(filename=name) if name else None
