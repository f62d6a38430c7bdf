"""Tls -> a cluster's transport socket. Certificates are files on the proxy's machine, or come by name (SDS)."""

from mirrorplane.api.cluster_policy import ClusterPolicy, Tls, TlsMode
from mirrorplane.api.hosts import is_ip
from mirrorplane.translators import envoy
from mirrorplane.translators.parts.network_filters import ads
from mirrorplane.translators.secrets import own_secrets, referenced_secrets

SYSTEM_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
"""Where Debian, and Envoy's and Istio's images, keep the certificates that everybody trusts."""


def secure(body: envoy.Cluster, http: envoy.UpstreamHttp, said: ClusterPolicy) -> None:
    """Put the transport socket on a cluster, and what goes with it on its HTTP options."""
    socket = None
    if said.tls is not None and said.uses_tls:
        socket = wrapped_socket("tls", _tls(said.tls, http))
    if said.proxy_protocol:
        inner = socket or wrapped_socket("raw_buffer", envoy.RawBuffer())
        version = envoy.ProxyProtocolConfig.V2 if said.proxy_protocol > 1 else envoy.ProxyProtocolConfig.V1
        wrapped = envoy.ProxyProtocolUpstreamTransport(
            config=envoy.ProxyProtocolConfig(version=version), transport_socket=inner
        )
        socket = wrapped_socket("upstream_proxy_protocol", wrapped)
    if socket is not None:
        body.transport_socket.CopyFrom(socket)


def _tls(said: Tls, http: envoy.UpstreamHttp) -> envoy.UpstreamTlsContext:
    """Return the TLS settings. Istio: without `sni`, server name and certificate follow each request's host."""
    body = envoy.UpstreamTlsContext(sni=said.sni)
    common = body.common_tls_context
    common.tls_params.CopyFrom(
        envoy.TlsParameters(
            tls_minimum_protocol_version=envoy.TlsParameters.TLSv1_2,
            tls_maximum_protocol_version=envoy.TlsParameters.TLSv1_3,
        )
    )
    if http.explicit_http_config.HasField("http2_protocol_options"):
        common.alpn_protocols.append("h2")
    if said.mode is TlsMode.MUTUAL and said.credential_name:
        common.tls_certificate_sds_secret_configs.append(secret(own_secrets.certificate(said.credential_name)))
    elif said.mode is TlsMode.MUTUAL:
        certificate = common.tls_certificates.add()
        certificate.certificate_chain.filename = said.certificate
        certificate.private_key.filename = said.key
    if said.client_certificate_ref:
        common.tls_certificate_sds_secret_configs.append(
            secret(referenced_secrets.certificate(said.client_certificate_ref))
        )
    if said.ca_refs:
        common.combined_validation_context.default_validation_context.CopyFrom(_names(said))
        named = secret(referenced_secrets.authorities(said.ca_refs))
        common.combined_validation_context.validation_context_sds_secret_config.CopyFrom(named)
    elif said.verify and said.credential_name:
        common.combined_validation_context.default_validation_context.CopyFrom(_names(said))
        authority = secret(own_secrets.authority_of(said.credential_name))
        common.combined_validation_context.validation_context_sds_secret_config.CopyFrom(authority)
    elif said.verify:
        common.validation_context.CopyFrom(_validation(said))
    if not said.sni:
        http.upstream_http_protocol_options.auto_sni = True
        http.upstream_http_protocol_options.auto_san_validation = said.verify and not said.subject_alt_names
    return body


def _validation(said: Tls) -> envoy.CertificateValidationContext:
    body = _names(said)
    body.trusted_ca.filename = said.ca or SYSTEM_BUNDLE
    if said.crl:
        body.crl.filename = said.crl
    return body


def _names(said: Tls) -> envoy.CertificateValidationContext:
    body = envoy.CertificateValidationContext()
    for name in said.subject_alt_names:
        kind = san_kind(name)
        body.match_typed_subject_alt_names.add(san_type=kind, matcher=envoy.StringMatcher(exact=name))
    return body


def san_kind(name: str) -> "envoy.SubjectAltNameMatcher.SanType":
    """Return what kind of name stands in the certificate: Istio's rules do not say."""
    if "://" in name:
        return envoy.SubjectAltNameMatcher.URI
    return envoy.SubjectAltNameMatcher.IP_ADDRESS if is_ip(name) else envoy.SubjectAltNameMatcher.DNS


def secret(name: str) -> envoy.SdsSecretConfig:
    """Return a reference to a certificate that comes by its name."""
    return envoy.SdsSecretConfig(name=name, sds_config=ads())


def wrapped_socket(name: str, config: envoy.Message) -> envoy.TransportSocket:
    """Wrap the configuration of a transport socket."""
    return envoy.TransportSocket(name=f"envoy.transport_sockets.{name}", typed_config=envoy.packed(config))
