"""Validation of PEM: chains, keys, CAs and revocation lists. Errors never quote the PEM, which may be secret."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)
"""What reading a certificate may raise."""
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_BLOCK = re.compile(rb"^-----BEGIN ([^\n]+?)-----[ \t\r]*\n.*?^-----END \1-----[ \t\r]*$", re.MULTILINE | re.DOTALL)
_SHORTEST_RSA = 2048


def check_pair(chain: bytes, key: bytes) -> None:
    """Check that a key belongs to the first certificate of a chain. Raises ValueError."""
    with _reading("the certificate is not PEM"):
        _blocks(chain)
        public = x509.load_pem_x509_certificates(chain)[0].public_key()
        der = _der(public)
    with _reading("the key is not an unencrypted PEM private key"):
        private = load_pem_private_key(key, None)
    if der != _der(private.public_key()):
        raise ValueError("the key does not belong to the certificate")


def check_served(chain: bytes) -> None:
    """Check that Envoy accepts the key of a chain: it does not accept every kind. Raises ValueError."""
    if problem := _problem(x509.load_pem_x509_certificates(chain)[0].public_key()):
        raise ValueError(problem)


def _problem(key: Any) -> str:
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < _SHORTEST_RSA:
        return f"the certificate has an RSA key of {key.key_size} bits; Envoy requires at least {_SHORTEST_RSA}"
    if isinstance(key, ec.EllipticCurvePublicKey) and not isinstance(key.curve, _CURVES):
        return f"the certificate has a key on the curve {key.curve.name}; Envoy supports P-256, P-384 and P-521"
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey):
        return "Envoy does not support this kind of key; use RSA or ECDSA"
    return ""


def host_names(chain: bytes) -> tuple[str, ...]:
    """Return the DNS names of the first certificate of a chain; none if it cannot be read."""
    try:
        extension = x509.load_pem_x509_certificates(chain)[0].extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
    except (*UNREADABLE, x509.ExtensionNotFound):
        return ()
    return tuple(name.lower() for name in extension.value.get_values_for_type(x509.DNSName))


@lru_cache(maxsize=4096)
def first_expiry(pem: bytes) -> float | None:
    """Return the Unix time at which the first of some certificates expires; None if they cannot be read.

    Cached: it is asked of every Secret at each scrape of the metrics.
    """
    try:
        return min(certificate.not_valid_after_utc.timestamp() for certificate in x509.load_pem_x509_certificates(pem))
    except UNREADABLE:
        return None


def check_authorities(pem: bytes) -> None:
    """Check that these are certificates. Raises ValueError."""
    with _reading("the CA is not PEM"):
        x509.load_pem_x509_certificates(pem)
        for block in _blocks(pem):
            if block[1] == b"X509 CRL":  # Envoy reads these too
                x509.load_pem_x509_crl(block[0])


def check_revocations(pem: bytes) -> None:
    """Check that this is a list of revoked certificates. Raises ValueError."""
    with _reading("the list of revoked certificates (CRL) is not PEM"):
        x509.load_pem_x509_crl(pem)


def _blocks(pem: bytes) -> list[re.Match[bytes]]:
    """Return the blocks of PEM. Raises ValueError for one that is not closed or begins within a line, as Envoy does."""
    blocks = list(_BLOCK.finditer(pem))
    if pem.count(b"-----BEGIN ") != len(blocks):
        raise ValueError("a block is not closed, or begins within a line")
    return blocks


@contextmanager
def _reading(problem: str) -> Iterator[None]:
    try:
        yield
    except UNREADABLE:
        raise ValueError(problem) from None


def _der(key: Any) -> bytes:
    der: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return der
