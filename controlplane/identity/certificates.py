"""TLS from files: the server's certificate, the CA of client certificates, and the identity in a certificate."""

from pathlib import Path
from typing import Any

import grpc
import msgspec
from cryptography import x509

from mirrorplane.controlplane.identity.caller import Caller, UnauthenticatedError, caller_from_spiffe_id
from mirrorplane.controlplane.identity.watched_files import WatchedFiles
from mirrorplane.translators.secrets.pem import UNREADABLE, check_authorities, check_pair


class TlsFiles(msgspec.Struct, frozen=True):
    """PEM files. With `client_ca`, clients must present a certificate issued by one of its CAs."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


def server_credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """Return credentials that follow the files. Open connections keep theirs. Raises FileProblemError.

    The files are one set: a new certificate is used only with its key.
    """
    paths = [files.certificate, files.key, *([files.client_ca] if files.client_ca else [])]
    watched = WatchedFiles(paths, _configuration)
    current = [watched.latest()]

    def fetch() -> Any:
        """Return the newest certificates, for a handshake; None (grpc's "unchanged") if they are the current ones."""
        latest = watched.latest()
        if latest is current[0]:
            return None
        current[0] = latest
        return latest

    return grpc.dynamic_ssl_server_credentials(
        current[0], fetch, require_client_authentication=files.client_ca is not None
    )


def caller_from_certificate(pem: bytes) -> Caller:
    """Return the identity in a client's certificate: its only SPIFFE ID. Raises UnauthenticatedError.

    Names of servers (DNS, common name) identify no workload.
    """
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        raise UnauthenticatedError("the client certificate has no subject alternative name") from None
    except UNREADABLE as error:
        raise UnauthenticatedError(f"the client certificate cannot be read: {type(error).__name__}") from error
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    if len(uris) != 1:
        # SPIFFE X.509-SVID: exactly one URI SAN, or the identity is ambiguous.
        raise UnauthenticatedError(f"the client certificate has {len(uris)} URI names: one SPIFFE ID is required")
    return caller_from_spiffe_id(uris[0], certificate.not_valid_after_utc.timestamp())


def _configuration(certificate: bytes, key: bytes, client_ca: bytes | None = None) -> Any:
    """Check that the files belong together. Raises ValueError that quotes nothing of them."""
    check_pair(certificate, key)
    if client_ca is not None:
        check_authorities(client_ca)
    # gRPC wants the key before the certificate.
    return grpc.ssl_server_certificate_configuration([(key, certificate)], client_ca)
