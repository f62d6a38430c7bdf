"""Bearer tokens: JWTs checked against the keys of a file (JWKS), never against keys that a token brings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jwt
import msgspec

from mirrorplane.controlplane.identity.caller import Caller, UnauthenticatedError, caller_from_subject
from mirrorplane.controlplane.identity.watched_files import WatchedFiles

# For clocks that differ a little between machines.
LEEWAY_S = 10
MAX_TOKEN = 8192
"""Characters. Kubernetes' tokens have about 1,200."""

_LATEST = 253_402_300_799
"""The end of the year 9999, in Unix time: the last moment that Python's and most other clocks can express."""
_TIMES = ("exp", "nbf", "iat")
_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
"""Asymmetric ones only: the keys of a JWKS file must not be able to sign."""


class TokenRules(msgspec.Struct, frozen=True):
    """Which tokens are valid. An empty `issuer` is any; `trust_domain` is that of the service accounts they name."""

    jwks: Path
    audience: str = "mirrorplane"
    issuer: str = ""
    trust_domain: str = "cluster.local"


class Tokens:
    """Verifies tokens by the rules. The keys follow their file."""

    def __init__(self, rules: TokenRules) -> None:
        """Read the keys. Raises FileProblemError."""
        self._rules = rules
        self._keys = WatchedFiles([rules.jwks], _read_keys)

    def verify(self, token: str) -> Caller:
        """Return the identity in a valid token. Raises UnauthenticatedError, which never quotes the token."""
        if len(token) > MAX_TOKEN or not token.isascii():
            raise UnauthenticatedError(f"the token is not a JWT of at most {MAX_TOKEN} characters")
        try:
            key = self._find_key(jwt.get_unverified_header(token))
            claims = jwt.decode(
                token,
                key.key,
                # The key's own algorithm, never the token's: else a public key could be used as an HMAC secret.
                algorithms=[key.algorithm_name],
                audience=self._rules.audience,
                issuer=self._rules.issuer or None,
                leeway=LEEWAY_S,
                options={"require": ["exp", "aud", "sub", *(["iss"] if self._rules.issuer else [])]},
            )
        # Numbers that no clock has, such as Infinity, and deep nesting: PyJWT passes on some of what Python raises.
        except (jwt.PyJWTError, ArithmeticError, ValueError, RecursionError) as error:
            raise UnauthenticatedError(f"the token is invalid: {str(error)[:200]!r}") from error
        _check_times(claims)
        return self._caller(claims)

    def _find_key(self, header: Mapping[str, Any]) -> jwt.PyJWK:
        """Return the key that a token names. It need not name the key if there is only one."""
        keys, key_id = self._keys.latest(), header.get("kid")
        candidates = [key for key in keys if key.key_id == key_id] if key_id is not None else keys
        if len(candidates) != 1:
            raise UnauthenticatedError("the token's key (kid) is not in the JWKS file")
        return candidates[0]

    def _caller(self, claims: Mapping[str, Any]) -> Caller:
        """Read the subject. The namespace in Kubernetes' own claim must be the same."""
        caller = caller_from_subject(str(claims["sub"]), self._rules.trust_domain, float(claims["exp"]) + LEEWAY_S)
        bound = claims.get("kubernetes.io", {})
        if isinstance(bound, Mapping) and bound.get("namespace", caller.namespace) == caller.namespace:
            return caller
        raise UnauthenticatedError("the token names two namespaces")


def _check_times(claims: Mapping[str, Any]) -> None:
    """Refuse times that are no NumericDate: RFC 7519, section 2, wants a JSON number; PyJWT takes texts and true."""
    for name in _TIMES:
        value = claims.get(name, 0)
        if type(value) not in {int, float} or not 0 <= value <= _LATEST:
            raise UnauthenticatedError(f"the token is invalid: {name} is not a Unix time in seconds")


def _read_keys(text: bytes) -> list[jwt.PyJWK]:
    """Read a JWKS. Raises ValueError for one without a usable key."""
    try:
        keys = jwt.PyJWKSet.from_json(text.decode()).keys
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError, RuntimeError):  # RuntimeError: endless nesting
        raise ValueError("not a JSON Web Key Set with a usable key") from None
    usable = [key for key in keys if key.algorithm_name in _ALGORITHMS]
    if len(usable) != len(keys):
        raise ValueError("contains keys that are not for asymmetric signatures")
    return usable
