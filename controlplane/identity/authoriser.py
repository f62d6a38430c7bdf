"""The one authoriser: who may call, what it may claim, and for how long. See decision 0027.

Every method of the gRPC server and every message passes here; the admin server may ask it too.
"""

import time
from collections.abc import Callable

import msgspec

from mirrorplane.api.proxy import Proxy
from mirrorplane.controlplane.identity.caller import Caller, Credentials, ForbiddenError, UnauthenticatedError
from mirrorplane.controlplane.identity.certificates import TlsFiles, caller_from_certificate
from mirrorplane.controlplane.identity.tokens import TokenRules, Tokens

_BEARER = "bearer "


class Security(msgspec.Struct, frozen=True):
    """How the gRPC server is secured. Without `tls` it is plaintext; callers identify by certificate or by token."""

    tls: TlsFiles | None = None
    tokens: TokenRules | None = None
    trust_domain: str = ""

    @property
    def by_certificate(self) -> bool:
        """Whether TLS requires a client certificate."""
        return self.tls is not None and self.tls.client_ca is not None

    @property
    def identifies(self) -> bool:
        """Whether callers have to prove who they are."""
        return self.tokens is not None or self.by_certificate


class Authoriser:
    """Admits callers, and refuses claims that they have not proved. Without required identity, everyone is admitted.

    It knows no transport. The gRPC server makes Credentials of a call's metadata and TLS session. An HTTP server does

        Credentials(
            authorization=tuple(request.headers.getall("Authorization", ())),
            certificates=(ssl.DER_cert_to_PEM_cert(der).encode(),) if der else (),
        )

    with `der = request.transport.get_extra_info("ssl_object").getpeercert(binary_form=True)`, calls `admit`, answers
    401 to UnauthenticatedError and 403 to ForbiddenError, and decides by `Caller.namespace` what the caller may read.
    `admit` returns None where `security.identifies` is False: then nothing authenticates, and nothing private may be
    served.
    """

    def __init__(self, security: Security = Security(), now: Callable[[], float] = time.time) -> None:  # noqa: B008
        """Read the keys of tokens. Raises FileProblemError."""
        self.security = security
        self._now = now
        self._tokens = Tokens(security.tokens) if security.tokens else None

    def admit(self, credentials: Credentials) -> Caller | None:
        """Return who calls, before anything it sends is read; None where no identity is required.

        Raises RefusedError.
        """
        if not self.security.identifies:
            return None
        caller = self._identify(credentials)
        required = self.security.trust_domain
        if required and caller.trust_domain != required:
            raise ForbiddenError(f"{caller.id} is of trust domain {caller.trust_domain}; only {required} is accepted")
        self.confirm(caller)
        return caller

    def authorise(self, caller: Caller | None, proxy: Proxy) -> Proxy:
        """Return the proxy with the identity its caller proved. Raises RefusedError if it claims another namespace."""
        if caller is None:
            return proxy
        self.confirm(caller)
        if caller.namespace != proxy.namespace:
            raise ForbiddenError(f"{caller.id} may not claim namespace {proxy.namespace!r}, only {caller.namespace!r}")
        return msgspec.structs.replace(proxy, identity=caller.id)

    def confirm(self, caller: Caller | None) -> None:
        """Check, at each message, that the proof has not expired. Raises UnauthenticatedError."""
        if caller is not None and caller.expires <= self._now():
            raise UnauthenticatedError(f"the credentials of {caller.id} have expired: connect again with new ones")

    def _identify(self, credentials: Credentials) -> Caller:
        if self._tokens is not None:
            return self._tokens.verify(_bearer_token(credentials.authorization))
        if len(credentials.certificates) != 1:
            raise UnauthenticatedError("a client certificate is required")
        return caller_from_certificate(credentials.certificates[0])


def _bearer_token(values: tuple[str | bytes, ...]) -> str:
    # Exactly one: with two, a proxy in between may have checked the other.
    value = values[0] if len(values) == 1 else ""
    if not isinstance(value, str) or not value.lower().startswith(_BEARER):
        raise UnauthenticatedError("exactly one `authorization: Bearer TOKEN` is required")
    return value[len(_BEARER) :].strip()
