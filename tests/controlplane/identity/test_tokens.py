"""Tokens and key sets that strangers, and careless friends, could bring: none is more than one clear refusal."""

import json
import time
from base64 import urlsafe_b64encode
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from mirrorplane.controlplane.identity.caller import Caller, UnauthenticatedError
from mirrorplane.controlplane.identity.tokens import LEEWAY_S, MAX_TOKEN, TokenRules, Tokens
from mirrorplane.controlplane.identity.watched_files import FileProblemError
from tests.controlplane.identity.issuers import Signer

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
headers = st.fixed_dictionaries(
    {},
    optional={
        "alg": st.sampled_from(["ES256", "none", "HS256", "RS256"]) | anything,
        "kid": st.just("k1") | anything,
        "crit": anything,
        "typ": anything,
        "b64": anything,
        "jwk": anything,
    },
)


def part(value: object) -> str:
    return urlsafe_b64encode(value if isinstance(value, bytes) else json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return Signer(tmp_path)


@pytest.fixture(scope="module")
def tokens():
    with TemporaryDirectory() as folder:
        yield Tokens(TokenRules(Signer(Path(folder)).file))


@given(headers, anything, st.binary(max_size=80))
def test_whatever_is_not_signed_is_refused_in_one_line(tokens: Tokens, header: dict, claims: object, signature: bytes):
    with pytest.raises(UnauthenticatedError) as caught:
        tokens.verify(f"{part(header)}.{part(claims)}.{part(signature)}")
    assert str(caught.value).isprintable()


@given(st.text())
def test_whatever_is_no_token_is_refused(tokens: Tokens, text: str):
    with pytest.raises(UnauthenticatedError):
        tokens.verify(text)


@given(anything, anything, anything)
def test_whatever_a_signed_token_claims_is_a_caller_or_a_refusal(sub: object, exp: object, bound: object):
    with TemporaryDirectory() as folder:
        signer = Signer(Path(folder))
        claims = {"sub": sub, "exp": exp, "aud": "mirrorplane", "kubernetes.io": bound}
        token = signer.sign({"alg": "ES256", "kid": "k1"}, json.dumps(claims).encode())
        with pytest.raises(UnauthenticatedError):
            Tokens(TokenRules(signer.file)).verify(token)


NUMBERS = st.integers(-(10**500), 10**500) | st.floats()


@given(st.dictionaries(st.sampled_from(["exp", "nbf", "iat"]), NUMBERS | anything), headers)
def test_whatever_times_and_header_a_key_signs_the_answer_is_a_caller_or_a_refusal(times: dict, header: dict):
    with TemporaryDirectory() as folder:
        signer = Signer(Path(folder))
        claims = {"sub": "system:serviceaccount:a:b", "aud": "mirrorplane", "exp": int(time.time()) + 60, **times}
        token = signer.sign({"alg": "ES256", "kid": "k1", **header}, json.dumps(claims).encode())
        with suppress(UnauthenticatedError):
            assert Tokens(TokenRules(signer.file)).verify(token).namespace == "a"


@pytest.mark.parametrize(
    "token", [f"{part(b'[' * 5000)}.e30.AA", "x" * (MAX_TOKEN + 1), "é.é.é", "\udcff.x.y", f"{part(b'9' * 5000)}.."]
)
def test_a_token_that_is_made_to_hurt_is_refused(signer: Signer, token: str):
    with pytest.raises(UnauthenticatedError):
        Tokens(TokenRules(signer.file)).verify(token)


TIMES = ["9" * 400, "-" + "9" * 400, "1e400", "NaN", "-Infinity", "1e308", "253402300800", "-1", "true", "null", '"1"']


@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("time_text", [*TIMES, "9" * 5000, "[" * 900 + "]" * 900, '"\\ud800"'])
def test_a_signed_time_that_no_clock_has_is_refused(signer: Signer, claim: str, time_text: str):
    claims = {"sub": "system:serviceaccount:a:b", "aud": "mirrorplane", "exp": int(time.time()) + 60, claim: "TIME"}
    token = signer.sign({"alg": "ES256", "kid": "k1"}, json.dumps(claims).replace('"TIME"', time_text).encode())

    with pytest.raises(UnauthenticatedError) as caught:
        Tokens(TokenRules(signer.file)).verify(token)
    assert str(caught.value).isprintable()


def test_a_token_speaks_for_the_service_account_it_names_until_it_expires(signer: Signer):
    exp = int(time.time()) + 60
    bound = {"namespace": "shop", "serviceaccount": {"name": "sleep", "uid": "1"}}
    caller = Tokens(TokenRules(signer.file, trust_domain="td")).verify(
        signer.token("shop", exp=exp, **{"kubernetes.io": bound})
    )

    assert caller == Caller("td", "shop", "sleep", exp + LEEWAY_S)
    assert caller.id == "spiffe://td/ns/shop/sa/sleep"


def test_a_key_verifies_its_own_algorithm_only(signer: Signer):
    private = rsa.generate_private_key(65537, 2048)
    public = {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(private.public_key())), "kid": "r"}
    signer.file.write_text(json.dumps({"keys": [signer.jwk(), {**public, "alg": "PS256"}]}))
    tokens = Tokens(TokenRules(signer.file))
    claims = {"sub": "system:serviceaccount:a:b", "aud": "mirrorplane", "exp": time.time() + 60}

    assert tokens.verify(jwt.encode(claims, private, "PS256", {"kid": "r"})).namespace == "a"
    with pytest.raises(UnauthenticatedError, match="alg"):
        tokens.verify(jwt.encode(claims, private, "RS256", {"kid": "r"}))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "[" * 100_000,
        '{"keys": []}',
        '{"keys": [{"kty": "oct", "k": "AAAA"}]}',
        '{"keys": [{"kty": "oct", "k": "AAAA", "alg": "HS256"}]}',
        '{"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB", "alg": "none"}]}',
        '{"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}]}',
    ],
)
def test_a_key_set_that_proves_nothing_is_an_error(tmp_path: Path, text: str):
    (tmp_path / "keys").write_text(text)
    with pytest.raises(FileProblemError, match="keys: "):
        Tokens(TokenRules(tmp_path / "keys"))


def test_one_key_that_could_also_sign_spoils_the_set(signer: Signer):
    symmetric = {"kty": "oct", "k": "AAAA", "kid": "k2"}
    signer.file.write_text(json.dumps({"keys": [signer.jwk(), symmetric]}))
    with pytest.raises(FileProblemError, match="not for asymmetric signatures"):
        Tokens(TokenRules(signer.file))
