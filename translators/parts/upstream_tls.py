"""Tls -> a cluster's transport socket. Certificates are files on the proxy's machine, or come by SDS."""

from mirrorplane.api.cluster_policy import ClusterPolicy, Tls, TlsMode
from mirrorplane.api.hosts import is_ip
from mirrorplane.translators import envoy
from mirrorplane.translators.parts.network_filters import ads
from mirrorplane.translators.secrets import own_secrets, referenced_secrets

SYSTEM_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
"""The public CA certificates, in Debian and in Envoy's and Istio's images."""


def secure(body: envoy.Cluster, http: envoy.UpstreamHttp, policy: ClusterPolicy) -> None:
    """Set the transport socket of a cluster, and the SNI and SAN options that belong to its HTTP options."""
    socket = None
    if policy.tls is not None and policy.uses_tls:
        socket = wrapped_socket("tls", _upstream_tls(policy.tls, http))
    if policy.proxy_protocol:
        # The PROXY header goes before the TLS handshake, so its socket wraps the other.
        inner = socket or wrapped_socket("raw_buffer", envoy.RawBuffer())
        version = envoy.ProxyProtocolConfig.V2 if policy.proxy_protocol > 1 else envoy.ProxyProtocolConfig.V1
        wrapped = envoy.ProxyProtocolUpstreamTransport(
            config=envoy.ProxyProtocolConfig(version=version), transport_socket=inner
        )
        socket = wrapped_socket("upstream_proxy_protocol", wrapped)
    if socket is not None:
        body.transport_socket.CopyFrom(socket)


def _upstream_tls(tls: Tls, http: envoy.UpstreamHttp) -> envoy.UpstreamTlsContext:
    """Return the TLS context. Without `sni`, SNI and the verified name follow each request's Host (Istio)."""
    body = envoy.UpstreamTlsContext(sni=tls.sni)
    common = body.common_tls_context
    common.tls_params.CopyFrom(
        envoy.TlsParameters(
            # Envoy's default for clients ends at TLS 1.2 (Istio sets 1.3 too).
            tls_minimum_protocol_version=envoy.TlsParameters.TLSv1_2,
            tls_maximum_protocol_version=envoy.TlsParameters.TLSv1_3,
        )
    )
    # Envoy speaks what its HTTP options say, whatever is negotiated; a server may require ALPN for HTTP/2.
    if http.explicit_http_config.HasField("http2_protocol_options"):
        common.alpn_protocols.append("h2")
    if tls.mode is TlsMode.MUTUAL and tls.credential_name:
        common.tls_certificate_sds_secret_configs.append(secret(own_secrets.certificate_resource(tls.credential_name)))
    elif tls.mode is TlsMode.MUTUAL:
        certificate = common.tls_certificates.add()
        certificate.certificate_chain.filename = tls.certificate
        certificate.private_key.filename = tls.key
    if tls.client_certificate_ref:
        common.tls_certificate_sds_secret_configs.append(
            secret(referenced_secrets.certificate_resource(tls.client_certificate_ref))
        )
    if tls.ca_refs:
        common.combined_validation_context.default_validation_context.CopyFrom(_subject_alt_names(tls))
        ca_bundle = secret(referenced_secrets.ca_bundle_resource(tls.ca_refs))
        common.combined_validation_context.validation_context_sds_secret_config.CopyFrom(ca_bundle)
    elif tls.verify and tls.credential_name:
        common.combined_validation_context.default_validation_context.CopyFrom(_subject_alt_names(tls))
        ca_bundle = secret(own_secrets.ca_resource(tls.credential_name))
        common.combined_validation_context.validation_context_sds_secret_config.CopyFrom(ca_bundle)
    elif tls.verify:
        common.validation_context.CopyFrom(_validation(tls))
    if not tls.sni:
        # In the HTTP options, because it is per request: Envoy keeps a connection pool for each SNI.
        http.upstream_http_protocol_options.auto_sni = True
        http.upstream_http_protocol_options.auto_san_validation = tls.verify and not tls.subject_alt_names
    return body


def _validation(tls: Tls) -> envoy.CertificateValidationContext:
    body = _subject_alt_names(tls)
    body.trusted_ca.filename = tls.ca or SYSTEM_BUNDLE
    if tls.crl:
        body.crl.filename = tls.crl
    return body


def _subject_alt_names(tls: Tls) -> envoy.CertificateValidationContext:
    body = envoy.CertificateValidationContext()
    for name in tls.subject_alt_names:
        kind = san_kind(name)
        body.match_typed_subject_alt_names.add(san_type=kind, matcher=envoy.StringMatcher(exact=name))
    return body


def san_kind(name: str) -> "envoy.SubjectAltNameMatcher.SanType":
    """Return which sort of subject alternative name to compare with: Istio's rules leave it open."""
    if "://" in name:
        return envoy.SubjectAltNameMatcher.URI
    return envoy.SubjectAltNameMatcher.IP_ADDRESS if is_ip(name) else envoy.SubjectAltNameMatcher.DNS


def secret(name: str) -> envoy.SdsSecretConfig:
    """Return a reference to a secret that comes by SDS."""
    return envoy.SdsSecretConfig(name=name, sds_config=ads())


def wrapped_socket(name: str, config: envoy.Message) -> envoy.TransportSocket:
    """Return a transport socket of this name and configuration."""
    return envoy.TransportSocket(name=f"envoy.transport_sockets.{name}", typed_config=envoy.packed(config))
