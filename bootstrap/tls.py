"""How a proxy reaches a control plane that is secured: the TLS of the xDS cluster, and the token its streams carry.

Separate from the rest because it is about files on the proxy's machine, which are named and never read.
"""

import posixpath
from typing import Any

import msgspec
from betterproto2 import Casing
from envoy_data_plane.envoy.config.core.v3 import (
    ApiVersion,
    ConfigSource,
    DataSource,
    PathConfigSource,
    TransportSocket,
    TypedExtensionConfig,
    WatchedDirectory,
)
from envoy_data_plane.envoy.extensions.filters.http.credential_injector.v3 import CredentialInjector
from envoy_data_plane.envoy.extensions.filters.http.upstream_codec.v3 import UpstreamCodec
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import HttpFilter
from envoy_data_plane.envoy.extensions.http.injected_credentials.generic.v3 import Generic
from envoy_data_plane.envoy.extensions.transport_sockets.tls.v3 import (
    CertificateValidationContext,
    CommonTlsContext,
    CommonTlsContextCombinedCertificateValidationContext,
    GenericSecret,
    SdsSecretConfig,
    Secret,
    SubjectAltNameMatcher,
    SubjectAltNameMatcherSanType,
    TlsCertificate,
    UpstreamTlsContext,
)
from envoy_data_plane.envoy.service.discovery.v3 import DiscoveryResponse
from envoy_data_plane.envoy.type.matcher.v3 import StringMatcher
from envoy_data_plane.google.protobuf import Any as PackedAny

from mirrorplane.api.hosts import is_ip

_CA, _OWN, _BEARER = "xds-ca", "xds-certificate", "xds-bearer"


class XdsTls(msgspec.Struct, frozen=True):
    """Files of a proxy, by absolute path.

    `ca` issued the control plane's certificate, whose name is `server_name`. `certificate` and `key` are the proxy's
    own; `token` holds a bearer token. Envoy reads them when it starts. With `secrets`, a folder that holds what
    `secret_files` returns, it also follows their changes: a rename, or Kubernetes' swap of a folder.
    """

    ca: str
    certificate: str = ""
    key: str = ""
    token: str = ""
    server_name: str = ""
    secrets: str = ""


class XdsTlsError(ValueError):
    """Files that do not make sense together. The message says which are missing."""


def check_tls(tls: XdsTls) -> None:
    """Raise XdsTlsError for half a pair, or for credentials that would be sent to whoever answers."""
    if bool(tls.certificate) != bool(tls.key):
        raise XdsTlsError("a proxy's certificate and its key go together (--xds-cert, --xds-key)")
    if (tls.certificate or tls.token) and not tls.ca:
        raise XdsTlsError("credentials need the control plane's CA (--xds-ca): else anybody could ask for them")
    if (tls.server_name or tls.secrets) and not tls.ca:
        raise XdsTlsError("a server name or a secrets folder says nothing without the control plane's CA (--xds-ca)")


def transport_socket(tls: XdsTls, host: str) -> TransportSocket:
    """Return TLS to a host, whose certificate must hold its name (or `server_name`). gRPC insists on ALPN's h2."""
    name = tls.server_name or host
    kind = SubjectAltNameMatcherSanType.IP_ADDRESS if is_ip(name) else SubjectAltNameMatcherSanType.DNS
    named = SubjectAltNameMatcher(san_type=kind, matcher=StringMatcher(exact=name))
    context = CommonTlsContext(
        alpn_protocols=["h2"],
        combined_validation_context=CommonTlsContextCombinedCertificateValidationContext(
            default_validation_context=CertificateValidationContext(match_typed_subject_alt_names=[named]),
            validation_context_sds_secret_config=_reference(tls, _CA),
        ),
        tls_certificate_sds_secret_configs=[_reference(tls, _OWN)] if tls.certificate else [],
    )
    upstream = UpstreamTlsContext(common_tls_context=context, sni="" if is_ip(name) else name)
    return TransportSocket(name="envoy.transport_sockets.tls", typed_config=PackedAny.pack(upstream))


def token_filters(tls: XdsTls) -> list[HttpFilter]:
    """Return the filters through which every xDS stream gets the token, if there is one."""
    if not tls.token:
        return []
    generic = Generic(credential=_reference(tls, _BEARER), header="authorization", header_value_prefix="Bearer ")
    injector = CredentialInjector(
        credential=TypedExtensionConfig(
            name="envoy.http.injected_credentials.generic", typed_config=PackedAny.pack(generic)
        )
    )
    return [
        HttpFilter(name="envoy.filters.http.credential_injector", typed_config=PackedAny.pack(injector)),
        HttpFilter(name="envoy.filters.http.upstream_codec", typed_config=PackedAny.pack(UpstreamCodec())),
    ]


def static_secrets(tls: XdsTls) -> list[Secret]:
    """Return what belongs into the bootstrap itself: nothing, when there is a folder for them."""
    return [] if tls.secrets else _secrets(tls)


def secret_files(tls: XdsTls) -> dict[str, dict[str, Any]]:
    """Return what `tls.secrets` holds: JSON-ready values by path. They are no secrets, but say where each is."""
    if not tls.secrets:
        return {}
    return {
        _file(tls, secret.name): DiscoveryResponse(resources=[PackedAny.pack(secret)]).to_dict(casing=Casing.SNAKE)
        for secret in _secrets(tls)
    }


def _reference(tls: XdsTls, name: str) -> SdsSecretConfig:
    """Name a secret. Envoy follows one that has a file (it takes one secret of each), and reads others once."""
    if not tls.secrets:
        return SdsSecretConfig(name=name)
    source = ConfigSource(
        path_config_source=PathConfigSource(path=_file(tls, name)), resource_api_version=ApiVersion.V3
    )
    return SdsSecretConfig(name=name, sds_config=source)


def _file(tls: XdsTls, name: str) -> str:
    return posixpath.join(tls.secrets, f"{name}.json")


def _secrets(tls: XdsTls) -> list[Secret]:
    ca = CertificateValidationContext(trusted_ca=DataSource(filename=tls.ca), watched_directory=_folder(tls.ca))
    found = [Secret(name=_CA, validation_context=ca)]
    if tls.certificate:
        own = TlsCertificate(
            certificate_chain=DataSource(filename=tls.certificate),
            private_key=DataSource(filename=tls.key),
            watched_directory=_folder(tls.key),
        )
        found.append(Secret(name=_OWN, tls_certificate=own))
    if tls.token:
        token = DataSource(filename=tls.token, watched_directory=_folder(tls.token))
        found.append(Secret(name=_BEARER, generic_secret=GenericSecret(secret=token)))
    return found


def _folder(path: str) -> WatchedDirectory:
    return WatchedDirectory(path=posixpath.dirname(path))
