"""Bearer tokens: JWTs that are checked against the keys of a file (JWKS), never against keys that a token brings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jwt
import msgspec

from mirrorplane.controlplane.identity.caller import Caller, UnauthenticatedError, of_subject
from mirrorplane.controlplane.identity.watched_files import Watched

LEEWAY_S = 10
LONGEST_TOKEN = 8192
"""Characters. Kubernetes' tokens have about 1,200."""

_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
"""Asymmetric ones only: whoever knows the keys of a JWKS file must not be able to sign with them."""


class TokenRules(msgspec.Struct, frozen=True):
    """Which tokens hold. An empty `issuer` is any; `trust_domain` is whose service accounts they name."""

    jwks: Path
    audience: str = "mirrorplane"
    issuer: str = ""
    trust_domain: str = "cluster.local"


class Tokens:
    """Reads tokens by the rules. The keys follow their file."""

    def __init__(self, rules: TokenRules) -> None:
        """Read the keys. Raises FileProblemError."""
        self._rules = rules
        self._keys = Watched([rules.jwks], _keys)

    def caller_of(self, token: str) -> Caller:
        """Return who a token speaks for. Raises UnauthenticatedError, which never quotes the token."""
        if len(token) > LONGEST_TOKEN or not token.isascii():
            raise UnauthenticatedError(f"the token is no JWT of at most {LONGEST_TOKEN} characters")
        try:
            key = self._key(jwt.get_unverified_header(token))
            claims = jwt.decode(
                token,
                key.key,
                algorithms=[key.algorithm_name],
                audience=self._rules.audience,
                issuer=self._rules.issuer or None,
                leeway=LEEWAY_S,
                options={"require": ["exp", "aud", "sub", *(["iss"] if self._rules.issuer else [])]},
            )
        except jwt.PyJWTError as error:
            raise UnauthenticatedError(f"the token does not hold: {str(error)[:200]!r}") from error
        return self._caller(claims)

    def _key(self, header: Mapping[str, Any]) -> jwt.PyJWK:
        """Return the key that a token names; it need not name the only one there is."""
        keys, wanted = self._keys.latest(), header.get("kid")
        found = [key for key in keys if key.key_id == wanted] if wanted is not None else keys
        if len(found) != 1:
            raise UnauthenticatedError("the token's key (kid) is not among those of the JWKS file")
        return found[0]

    def _caller(self, claims: Mapping[str, Any]) -> Caller:
        """Read the subject; what Kubernetes says in its own claim must be the same."""
        caller = of_subject(str(claims["sub"]), self._rules.trust_domain, float(claims["exp"]) + LEEWAY_S)
        bound = claims.get("kubernetes.io", {})
        if isinstance(bound, Mapping) and bound.get("namespace", caller.namespace) == caller.namespace:
            return caller
        raise UnauthenticatedError("the token names two namespaces")


def _keys(text: bytes) -> list[jwt.PyJWK]:
    """Read a JWKS. Raises ValueError for one without a usable key."""
    try:
        keys = jwt.PyJWKSet.from_json(text.decode()).keys
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError, RuntimeError):  # RuntimeError: nested without end
        raise ValueError("not a JSON Web Key Set with a usable key") from None
    usable = [key for key in keys if key.algorithm_name in _ALGORITHMS]
    if len(usable) != len(keys):
        raise ValueError("holds keys that are not for asymmetric signatures")
    return usable
