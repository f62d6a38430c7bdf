"""Is this PEM what it is meant to be? Problems are told without a word of what is in it: it may be secret."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
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
        spelled = _spelled(public)
    with _reading("the key is not an unencrypted PEM private key"):
        private = load_pem_private_key(key, None)
    if spelled != _spelled(private.public_key()):
        raise ValueError("the key does not belong to the certificate")


def check_served(chain: bytes) -> None:
    """Check that Envoy serves with a chain that is PEM: not with every kind of key. Raises ValueError."""
    if problem := _problem(x509.load_pem_x509_certificates(chain)[0].public_key()):
        raise ValueError(problem)


def _problem(key: Any) -> str:
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < _SHORTEST_RSA:
        return f"the certificate has an RSA key of {key.key_size} bits: Envoy wants {_SHORTEST_RSA} at least"
    if isinstance(key, ec.EllipticCurvePublicKey) and not isinstance(key.curve, _CURVES):
        return f"the certificate has a key on the curve {key.curve.name}: Envoy wants P-256, P-384 or P-521"
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey):
        return "the certificate has a kind of key that Envoy does not serve with: use RSA or ECDSA"
    return ""


def host_names(chain: bytes) -> tuple[str, ...]:
    """Return the host names that the first certificate of a chain is for; none for what cannot be read."""
    try:
        found = x509.load_pem_x509_certificates(chain)[0].extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
    except (*UNREADABLE, x509.ExtensionNotFound):
        return ()
    return tuple(name.lower() for name in found.value.get_values_for_type(x509.DNSName))


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
    """Return the blocks of PEM. Raises ValueError where one is not closed, or begins within a line, as Envoy does."""
    found = list(_BLOCK.finditer(pem))
    if pem.count(b"-----BEGIN ") != len(found):
        raise ValueError("a block is not closed, or begins within a line")
    return found


@contextmanager
def _reading(problem: str) -> Iterator[None]:
    try:
        yield
    except UNREADABLE:
        raise ValueError(problem) from None


def _spelled(key: Any) -> bytes:
    spelled: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return spelled
