"""TLS from files: the server's certificate, the CA of client certificates, and the identity in a certificate."""

from pathlib import Path
from threading import Lock
from typing import Any

import grpc
import msgspec
from cryptography import x509

from mirrorplane.controlplane.identity.caller import Caller, UnauthenticatedError, caller_from_spiffe_id
from mirrorplane.controlplane.identity.watched_files import WatchedFiles
from mirrorplane.translators.secrets.pem import UNREADABLE, check_authorities, check_pair, first_expiry


class TlsFiles(msgspec.Struct, frozen=True):
    """PEM files. With `client_ca`, clients must present a certificate issued by one of its CAs."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


class TlsState(msgspec.Struct, frozen=True):
    """How many TLS handshakes began, and when certificates expire.

    `expiries` are the Unix times at which the first certificate expires, of `server`, and of `client_ca` if it is set.
    """

    handshakes: int = 0
    expiries: dict[str, float] = {}


class _Loaded(msgspec.Struct, frozen=True):
    """What was made of the files, and when the first certificate of each expires."""

    configuration: Any
    expiries: dict[str, float]


class ServerCertificates:
    """The newest certificates of the server. The files are one set: a certificate is used only with its key."""

    def __init__(self, files: TlsFiles) -> None:
        """Read the files. Raises FileProblemError."""
        paths = [files.certificate, files.key, *([files.client_ca] if files.client_ca else [])]
        self._watched = WatchedFiles(paths, _load)
        self._current = self._watched.latest()
        self._requires_clients = files.client_ca is not None
        self._handshakes, self._lock = 0, Lock()

    def credentials(self) -> grpc.ServerCredentials:
        """Return credentials that follow the files. Open connections keep theirs."""
        return grpc.dynamic_ssl_server_credentials(
            self._current.configuration, self._fetch, require_client_authentication=self._requires_clients
        )

    def state(self) -> TlsState:
        """Return how many handshakes began, and when the newest certificates expire."""
        with self._lock:
            return TlsState(self._handshakes, self._watched.latest().expiries)

    def _fetch(self) -> Any:
        """Return the newest certificates, for a handshake; None (grpc's "unchanged") if they are the current ones.

        gRPC calls it once for each connection, before anything is read from it, in threads of its own.
        """
        with self._lock:
            self._handshakes += 1
            latest = self._watched.latest()
            if latest is self._current:
                return None
            self._current = latest
            return latest.configuration


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


def _load(certificate: bytes, key: bytes, client_ca: bytes | None = None) -> _Loaded:
    """Check that the files belong together. Raises ValueError that quotes nothing of them."""
    check_pair(certificate, key)
    if client_ca is not None:
        check_authorities(client_ca)
    # gRPC wants the key before the certificate.
    configuration = grpc.ssl_server_certificate_configuration([(key, certificate)], client_ca)
    expiries = {"server": first_expiry(certificate), "client_ca": first_expiry(client_ca or b"")}
    return _Loaded(configuration, {name: expiry for name, expiry in expiries.items() if expiry is not None})
