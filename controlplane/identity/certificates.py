"""TLS from files: the server's certificate, whose clients' certificates hold, and who a certificate speaks for."""

from pathlib import Path
from typing import Any

import grpc
import msgspec
from cryptography import x509

from mirrorplane.controlplane.identity.caller import Caller, UnauthenticatedError, of_spiffe
from mirrorplane.controlplane.identity.watched_files import Watched
from mirrorplane.translators.secrets.pem import UNREADABLE, check_authorities, check_pair


class TlsFiles(msgspec.Struct, frozen=True):
    """PEM files. With `client_ca`, clients must show a certificate that one of its authorities issued."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


def server_credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """Return credentials that follow the files. Connections that are open keep theirs. Raises FileProblemError."""
    paths = [files.certificate, files.key, *([files.client_ca] if files.client_ca else [])]
    watched = Watched(paths, _configuration)
    given = [watched.latest()]

    def fetch() -> Any:
        """Return the newest certificates at each handshake, or None when they are the last ones given."""
        latest = watched.latest()
        if latest is given[0]:
            return None
        given[0] = latest
        return latest

    return grpc.dynamic_ssl_server_credentials(
        given[0], fetch, require_client_authentication=files.client_ca is not None
    )


def caller_of(pem: bytes) -> Caller:
    """Return who a client's certificate speaks for: its only SPIFFE ID. Raises UnauthenticatedError.

    Names for servers (DNS, common name) say nothing about a caller.
    """
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        raise UnauthenticatedError("the client's certificate has no subject alternative name") from None
    except UNREADABLE as error:
        raise UnauthenticatedError(f"the client's certificate cannot be read: {type(error).__name__}") from error
    found = names.get_values_for_type(x509.UniformResourceIdentifier)
    if len(found) != 1:
        raise UnauthenticatedError(f"the client's certificate has {len(found)} URI names: one SPIFFE ID is needed")
    return of_spiffe(found[0], certificate.not_valid_after_utc.timestamp())


def _configuration(certificate: bytes, key: bytes, client_ca: bytes | None = None) -> Any:
    """Check that the files belong together. Raises ValueError, without a word of what is in them."""
    check_pair(certificate, key)
    if client_ca is not None:
        check_authorities(client_ca)
    return grpc.ssl_server_certificate_configuration([(key, certificate)], client_ca)
