"""Who issues credentials in tests: a certificate authority and a signer of tokens, with every flaw a test asks for."""

import hmac
import json
import time
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import jwt
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

SLEEP = "spiffe://cluster.local/ns/default/sa/sleep"


class Authority:
    """A certificate authority with the server's files and certificates for clients."""

    def __init__(self, folder: Path) -> None:
        self.ca, self.folder = trustme.CA(), folder
        self.cert, self.key, self.ca_file = folder / "cert.pem", folder / "key.pem", folder / "ca.pem"
        self.ca.cert_pem.write_to_path(self.ca_file)
        self.issue_server()

    def issue_server(self) -> None:
        """Write a new certificate and key for the server."""
        issued = self.ca.issue_cert("localhost", "127.0.0.1")
        self.cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(self.key)

    def client_files(self, *names: str) -> tuple[Path, Path]:
        """Write a client's certificate and key."""
        pems = client(self.ca, *names)
        files = self.folder / "client.pem", self.folder / "client-key.pem"
        for path, pem in zip(files, pems, strict=True):
            path.write_bytes(pem)
        return files

    def channel_credentials(self, *names: str, issuer: trustme.CA | None = None, lives_s: float = 600) -> Any:
        """Credentials of a client that trusts this authority; with a certificate for URIs and DNS names, if any."""
        if not names:
            return grpc.ssl_channel_credentials(self.ca.cert_pem.bytes())
        cert, key = client(issuer or self.ca, *names, lives_s=lives_s)
        return grpc.ssl_channel_credentials(self.ca.cert_pem.bytes(), key, cert)


def client(ca: trustme.CA, *names: str, lives_s: float = 600) -> tuple[bytes, bytes]:
    """Return a client's certificate and key (PEM). trustme itself issues none with URIs."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    issuer = x509.load_pem_x509_certificate(ca.cert_pem.bytes())
    signer = load_pem_private_key(ca.private_key_pem.bytes(), None)
    subjects = [x509.UniformResourceIdentifier(n) if "://" in n else x509.DNSName(n) for n in names]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, SLEEP)]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(seconds=lives_s))
        .add_extension(x509.SubjectAlternativeName(subjects), critical=False)
    )
    pem = certificate.sign(signer, SHA256()).public_bytes(Encoding.PEM)
    return pem, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


class Signer:
    """A token issuer with the JWKS file of its public keys."""

    def __init__(self, folder: Path, kid: str = "k1") -> None:
        self.private, self.kid, self.file = ec.generate_private_key(ec.SECP256R1()), kid, folder / f"{kid}.json"
        self.publish()

    def publish(self) -> None:
        self.file.write_text(json.dumps({"keys": [self.jwk()]}))

    def jwk(self) -> dict[str, Any]:
        return {**json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self.private.public_key())), "kid": self.kid}

    def token(self, namespace: str = "default", **overrides: Any) -> str:
        """A token that holds, but for what `overrides` says; None takes a claim away."""
        claims = {
            "sub": f"system:serviceaccount:{namespace}:sleep",
            "aud": ["mirrorplane"],
            "exp": time.time() + 600,
            "iss": "https://issuer",
            **overrides,
        }
        claims = {key: value for key, value in claims.items() if value is not None}
        return jwt.encode(claims, self.private, "ES256", {"kid": self.kid})

    def sign(self, header: dict[str, Any], claims: bytes) -> str:
        """A token with any header and any claims, which need not be JSON, signed by the right key."""
        signed = f"{_encoded(json.dumps(header).encode())}.{_encoded(claims)}"
        algorithm = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256)
        return f"{signed}.{_encoded(algorithm.sign(signed.encode(), self.private))}"

    def forged(self) -> dict[str, str]:
        """Tokens that say the right thing and prove nothing, by what is wrong with them."""
        claims = {"sub": "system:serviceaccount:default:sleep", "aud": "mirrorplane", "exp": time.time() + 600}
        header = {"kid": self.kid}
        public = self.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return {
            "not signed": jwt.encode(claims, None, "none", header),
            "signed with the public key": _signed_by_hand(claims, public, header),
            "signed with another key": jwt.encode(claims, ec.generate_private_key(ec.SECP256R1()), "ES256", header),
            "signed with another kind of key": jwt.encode(
                claims, rsa.generate_private_key(65537, 2048), "RS256", header
            ),
            "signed with a key nobody has": jwt.encode(claims, self.private, "ES256", {"kid": "k9"}),
            "no token at all": "abc",
        }


def _encoded(part: bytes) -> str:
    return urlsafe_b64encode(part).rstrip(b"=").decode()


def _signed_by_hand(claims: dict[str, Any], secret: bytes, header: dict[str, str]) -> str:
    """An HS256 token whose secret is a public key: PyJWT itself refuses to make one."""
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256", **header}, claims)]
    signed = b".".join(urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    return (signed + b"." + urlsafe_b64encode(hmac.digest(secret, signed, "sha256")).rstrip(b"=")).decode()
