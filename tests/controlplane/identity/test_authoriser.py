"""The authoriser without a transport: what an HTTP server asks it before it answers."""

import ssl
import time
from pathlib import Path

import pytest

from mirrorplane.controlplane.identity.authoriser import Authoriser, Security
from mirrorplane.controlplane.identity.caller import Credentials, ForbiddenError, UnauthenticatedError
from mirrorplane.controlplane.identity.certificates import TlsFiles
from mirrorplane.controlplane.identity.tokens import TokenRules
from tests.controlplane.identity.issuers import SLEEP, Authority, Signer


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return Signer(tmp_path)


@pytest.fixture
def by_token(signer: Signer) -> Authoriser:
    return Authoriser(Security(tokens=TokenRules(signer.file)))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def by_certificate(authority: Authority) -> Authoriser:
    return Authoriser(Security(TlsFiles(authority.cert, authority.key, authority.ca_file)))


def test_without_required_identity_the_caller_is_unknown():
    authoriser = Authoriser()
    assert not authoriser.security.identifies
    assert authoriser.admit(Credentials(authorization=("Bearer x",))) is None


def test_a_bearer_token_proves_a_caller(by_token: Authoriser, signer: Signer):
    caller = by_token.admit(Credentials(authorization=(f"Bearer {signer.token()}",)))
    assert caller is not None
    assert (caller.id, caller.namespace) == (SLEEP, "default")


@pytest.mark.parametrize("values", [(), ("",), ("Basic eDp5",), ("Bearer x",), (b"Bearer x",)])
def test_anything_else_in_the_header_is_refused(by_token: Authoriser, values: tuple[str | bytes, ...]):
    with pytest.raises(UnauthenticatedError):
        by_token.admit(Credentials(authorization=values))


def test_a_second_authorization_header_is_refused(by_token: Authoriser, signer: Signer):
    value = f"Bearer {signer.token()}"
    with pytest.raises(UnauthenticatedError, match="exactly one"):
        by_token.admit(Credentials(authorization=(value, value)))


def test_a_certificate_from_an_http_session_proves_a_caller(by_certificate: Authoriser, authority: Authority):
    certificate, _ = authority.client_files(SLEEP)
    der = ssl.PEM_cert_to_DER_cert(certificate.read_text())  # what ssl_object.getpeercert(binary_form=True) returns
    caller = by_certificate.admit(Credentials(certificates=(ssl.DER_cert_to_PEM_cert(der).encode(),)))
    assert caller is not None
    assert caller.id == SLEEP


def test_a_token_is_no_substitute_for_a_certificate(by_certificate: Authoriser, signer: Signer):
    with pytest.raises(UnauthenticatedError, match="certificate is required"):
        by_certificate.admit(Credentials(authorization=(f"Bearer {signer.token()}",)))


def test_a_caller_of_another_trust_domain_is_forbidden(signer: Signer):
    rules = TokenRules(signer.file, trust_domain="elsewhere")
    authoriser = Authoriser(Security(tokens=rules, trust_domain="cluster.local"))
    with pytest.raises(ForbiddenError, match=r"only cluster\.local is accepted"):
        authoriser.admit(Credentials(authorization=(f"Bearer {signer.token()}",)))


def test_an_expired_proof_is_confirmed_no_more(signer: Signer):
    clock = [time.time()]
    authoriser = Authoriser(Security(tokens=TokenRules(signer.file)), now=lambda: clock[0])
    caller = authoriser.admit(Credentials(authorization=(f"Bearer {signer.token()}",)))
    authoriser.confirm(caller)
    clock[0] += 3600
    with pytest.raises(UnauthenticatedError, match="have expired"):
        authoriser.confirm(caller)
