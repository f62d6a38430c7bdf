"""How a proxy reaches a secured control plane: the TLS of the xDS cluster, and the token that its streams carry.

Separate from the rest because it is about files on the proxy's machine, which are referred to and never read here.
"""

import posixpath

import msgspec

from mirrorplane.api.hosts import is_ip
from mirrorplane.bootstrap.fragments import Json, packed, without_unset

_CA, _CERTIFICATE, _TOKEN = "xds-ca", "xds-certificate", "xds-bearer"
_TLS = "envoy.extensions.transport_sockets.tls.v3"


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
    """Raise XdsTlsError for half a pair, or for credentials that would be sent to an unauthenticated server."""
    if bool(tls.certificate) != bool(tls.key):
        raise XdsTlsError("a proxy's certificate and its key go together: set both --xds-cert and --xds-key")
    if (tls.certificate or tls.token) and not tls.ca:
        raise XdsTlsError("credentials need the control plane's CA (--xds-ca), or any server could collect them")
    if (tls.server_name or tls.secrets) and not tls.ca:
        raise XdsTlsError("--xds-server-name and --secrets-dir need the control plane's CA (--xds-ca)")


def transport_socket(tls: XdsTls, host: str) -> Json:
    """Return TLS to a host, whose certificate must carry its name (or `server_name`). gRPC requires ALPN h2."""
    name = tls.server_name or host
    expected = {"san_type": "IP_ADDRESS" if is_ip(name) else "DNS", "matcher": {"exact": name}}
    context = without_unset(
        tls_certificate_sds_secret_configs=[_reference(tls, _CERTIFICATE)] if tls.certificate else [],
        combined_validation_context={
            "default_validation_context": {"match_typed_subject_alt_names": [expected]},
            "validation_context_sds_secret_config": _reference(tls, _CA),
        },
        alpn_protocols=["h2"],
    )
    # SNI carries DNS names only (RFC 6066, section 3).
    upstream = without_unset(common_tls_context=context, sni="" if is_ip(name) else name)
    return {"name": "envoy.transport_sockets.tls", "typed_config": packed(f"{_TLS}.UpstreamTlsContext", **upstream)}


def token_filters(tls: XdsTls) -> list[Json]:
    """Return the upstream filters that add the token to every xDS stream; none without a token."""
    if not tls.token:
        return []
    generic = packed(
        "envoy.extensions.http.injected_credentials.generic.v3.Generic",
        credential=_reference(tls, _TOKEN),
        header="authorization",
        header_value_prefix="Bearer ",
    )
    injector = packed(
        "envoy.extensions.filters.http.credential_injector.v3.CredentialInjector",
        credential={"name": "envoy.http.injected_credentials.generic", "typed_config": generic},
    )
    codec = packed("envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec")
    return [
        {"name": "envoy.filters.http.credential_injector", "typed_config": injector},
        {"name": "envoy.filters.http.upstream_codec", "typed_config": codec},
    ]


def static_secrets(tls: XdsTls) -> list[Json]:
    """Return the secrets of the bootstrap itself; none when they are in a folder."""
    return [] if tls.secrets else _secrets(tls)


def secret_files(tls: XdsTls) -> dict[str, Json]:
    """Return the files of `tls.secrets`, by path. They hold no key material, only where each file is."""
    if not tls.secrets:
        return {}
    return {_file(tls, secret["name"]): {"resources": [packed(f"{_TLS}.Secret", **secret)]} for secret in _secrets(tls)}


def _reference(tls: XdsTls, name: str) -> Json:
    """Refer to a secret. Envoy watches one that has a file (one secret per file), and reads static ones once."""
    if not tls.secrets:
        return {"name": name}
    source = {"path_config_source": {"path": _file(tls, name)}, "resource_api_version": "V3"}
    return {"name": name, "sds_config": source}


def _file(tls: XdsTls, name: str) -> str:
    return posixpath.join(tls.secrets, f"{name}.json")


def _secrets(tls: XdsTls) -> list[Json]:
    # Without `watched_directory` Envoy notices only renames of the file itself; Kubernetes swaps a symlink above it.
    ca = {"trusted_ca": {"filename": tls.ca}, "watched_directory": _folder(tls.ca)}
    secrets: list[Json] = [{"name": _CA, "validation_context": ca}]
    if tls.certificate:
        certificate = {
            "certificate_chain": {"filename": tls.certificate},
            "private_key": {"filename": tls.key},
            "watched_directory": _folder(tls.key),
        }
        secrets.append({"name": _CERTIFICATE, "tls_certificate": certificate})
    if tls.token:
        token = {"filename": tls.token, "watched_directory": _folder(tls.token)}
        secrets.append({"name": _TOKEN, "generic_secret": {"secret": token}})
    return secrets


def _folder(path: str) -> Json:
    return without_unset(path=posixpath.dirname(path))
