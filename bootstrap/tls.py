"""How a proxy reaches a control plane that is secured: the TLS of the xDS cluster, and the token its streams carry.

Separate from the rest because it is about files on the proxy's machine, which are named and never read.
"""

import msgspec
from envoy_data_plane.envoy.config.core.v3 import (
    DataSource,
    TransportSocket,
    TypedExtensionConfig,
)
from envoy_data_plane.envoy.extensions.filters.http.credential_injector.v3 import CredentialInjector
from envoy_data_plane.envoy.extensions.filters.http.upstream_codec.v3 import UpstreamCodec
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import HttpFilter
from envoy_data_plane.envoy.extensions.http.injected_credentials.generic.v3 import Generic
from envoy_data_plane.envoy.extensions.transport_sockets.tls.v3 import (
    CertificateValidationContext,
    CommonTlsContext,
    GenericSecret,
    SdsSecretConfig,
    Secret,
    SubjectAltNameMatcher,
    SubjectAltNameMatcherSanType,
    TlsCertificate,
    UpstreamTlsContext,
)
from envoy_data_plane.envoy.type.matcher.v3 import StringMatcher
from envoy_data_plane.google.protobuf import Any as PackedAny

from api.hosts import is_ip

_BEARER = "xds-bearer"


class XdsTls(msgspec.Struct, frozen=True):
    """Files of a proxy, by absolute path; Envoy reads them when it starts.

    `ca` issued the control plane's certificate, whose name is `server_name`. `certificate` and `key` are the proxy's
    own; `token` holds a bearer token.
    """

    ca: str
    certificate: str = ""
    key: str = ""
    token: str = ""
    server_name: str = ""


class XdsTlsError(ValueError):
    """Files that do not make sense together. The message says which are missing."""


def check_tls(tls: XdsTls) -> None:
    """Raise XdsTlsError for half a pair, or for credentials that would be sent to whoever answers."""
    if bool(tls.certificate) != bool(tls.key):
        raise XdsTlsError("a proxy's certificate and its key go together (--xds-cert, --xds-key)")
    if (tls.certificate or tls.token) and not tls.ca:
        raise XdsTlsError("credentials need the control plane's CA (--xds-ca): else anybody could ask for them")
    if tls.server_name and not tls.ca:
        raise XdsTlsError("a server name says nothing without the control plane's CA (--xds-ca)")


def transport_socket(tls: XdsTls, host: str) -> TransportSocket:
    """Return TLS to a host, whose certificate must hold its name (or `server_name`). gRPC insists on ALPN's h2."""
    name = tls.server_name or host
    kind = SubjectAltNameMatcherSanType.IP_ADDRESS if is_ip(name) else SubjectAltNameMatcherSanType.DNS
    context = CommonTlsContext(
        alpn_protocols=["h2"],
        validation_context=CertificateValidationContext(
            trusted_ca=DataSource(filename=tls.ca),
            match_typed_subject_alt_names=[SubjectAltNameMatcher(san_type=kind, matcher=StringMatcher(exact=name))],
        ),
    )
    if tls.certificate:
        own = TlsCertificate(
            certificate_chain=DataSource(filename=tls.certificate), private_key=DataSource(filename=tls.key)
        )
        context.tls_certificates.append(own)
    upstream = UpstreamTlsContext(common_tls_context=context, sni="" if is_ip(name) else name)
    return TransportSocket(name="envoy.transport_sockets.tls", typed_config=PackedAny.pack(upstream))


def token_filters(tls: XdsTls) -> list[HttpFilter]:
    """Return the filters through which every xDS stream gets the token, if there is one."""
    if not tls.token:
        return []
    generic = Generic(credential=SdsSecretConfig(name=_BEARER), header="authorization", header_value_prefix="Bearer ")
    injector = CredentialInjector(
        credential=TypedExtensionConfig(
            name="envoy.http.injected_credentials.generic", typed_config=PackedAny.pack(generic)
        )
    )
    return [
        HttpFilter(name="envoy.filters.http.credential_injector", typed_config=PackedAny.pack(injector)),
        HttpFilter(name="envoy.filters.http.upstream_codec", typed_config=PackedAny.pack(UpstreamCodec())),
    ]


def secrets(tls: XdsTls) -> list[Secret]:
    """Return the token as a secret of the proxy, which Envoy reads when it starts."""
    if not tls.token:
        return []
    return [Secret(name=_BEARER, generic_secret=GenericSecret(secret=DataSource(filename=tls.token)))]
