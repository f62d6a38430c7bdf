"""What may be served where: the rules of `mirrorplane serve` about TLS, identity and --insecure."""

from pathlib import Path

import pytest

from mirrorplane.controlplane.identity.authoriser import Security
from mirrorplane.controlplane.identity.certificates import TlsFiles
from mirrorplane.controlplane.identity.flags import SecurityFlags, SecurityFlagsError, security_from_flags
from mirrorplane.controlplane.identity.tokens import TokenRules

CERT, KEY, CA, JWKS = (Path(f"/{name}") for name in ("cert", "key", "ca", "jwks"))
TLS = {"tls_cert": CERT, "tls_key": KEY}


@pytest.mark.parametrize("exposed", [True, False])
@pytest.mark.parametrize(
    ("flags", "security"),
    [
        ({**TLS, "client_ca": CA}, Security(TlsFiles(CERT, KEY, CA))),
        ({**TLS, "client_ca": CA, "trust_domain": "td"}, Security(TlsFiles(CERT, KEY, CA), trust_domain="td")),
        ({**TLS, "jwks": JWKS}, Security(TlsFiles(CERT, KEY), TokenRules(JWKS))),
        (
            {**TLS, "jwks": JWKS, "audience": "a", "issuer": "i", "trust_domain": "td"},
            Security(TlsFiles(CERT, KEY), TokenRules(JWKS, "a", "i", "td"), "td"),
        ),
    ],
)
def test_tls_and_a_way_to_know_who_calls_may_be_served_anywhere(flags: dict, security: Security, exposed: bool):
    assert security_from_flags(SecurityFlags(**flags), exposed=exposed) == security
    assert security.identifies


@pytest.mark.parametrize(
    "flags", [{}, TLS, {"jwks": JWKS}], ids=["plaintext", "TLS for anybody", "tokens that can be overheard"]
)
def test_less_needs_loopback_or_an_explicit_risk(flags: dict):
    here = security_from_flags(SecurityFlags(**flags), exposed=False)
    assert security_from_flags(SecurityFlags(**flags, insecure=True), exposed=True) == here
    with pytest.raises(SecurityFlagsError, match="or accept the risk with --insecure"):
        security_from_flags(SecurityFlags(**flags), exposed=True)


@pytest.mark.parametrize("insecure", [True, False])
@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"tls_cert": CERT}, "must be used together"),
        ({"tls_key": KEY}, "must be used together"),
        ({"client_ca": CA}, "--client-ca needs --tls-cert"),
        ({**TLS, "client_ca": CA, "jwks": JWKS}, "are exclusive"),
        ({"audience": "a"}, "they need --jwks"),
        ({"issuer": "i"}, "they need --jwks"),
        ({"trust_domain": "td"}, "has no effect without"),
        ({**TLS, "trust_domain": "td"}, "has no effect without"),
    ],
)
def test_half_of_a_pair_of_flags_is_a_mistake_on_every_address(flags: dict, message: str, insecure: bool):
    with pytest.raises(SecurityFlagsError, match=message):
        security_from_flags(SecurityFlags(**flags, insecure=insecure), exposed=False)
