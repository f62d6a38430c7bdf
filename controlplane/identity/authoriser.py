"""The one authoriser: who may open a stream, what it may claim, for how long. Every method and message passes here.

See decision 0027.
"""

import time
from collections.abc import Callable
from typing import Any

import grpc
import msgspec

from mirrorplane.api.proxy import Proxy
from mirrorplane.controlplane.identity.caller import Caller, ForbiddenError, UnauthenticatedError
from mirrorplane.controlplane.identity.certificates import TlsFiles, caller_of, server_credentials
from mirrorplane.controlplane.identity.tokens import TokenRules, Tokens

_BEARER = "bearer "


class Security(msgspec.Struct, frozen=True):
    """How xDS is secured. Without `tls` it is plaintext; callers prove who they are by certificate or by token."""

    tls: TlsFiles | None = None
    tokens: TokenRules | None = None
    trust_domain: str = ""

    @property
    def identifies(self) -> bool:
        """Whether callers have to prove who they are."""
        return self.tokens is not None or (self.tls is not None and self.tls.client_ca is not None)


class Authoriser:
    """Admits callers and holds them to what they are. Where nobody has to prove anything, everybody is admitted."""

    def __init__(self, security: Security = Security(), now: Callable[[], float] = time.time) -> None:  # noqa: B008
        """Read the keys of tokens. Raises FileProblemError."""
        self._security, self._now = security, now
        self._tokens = Tokens(security.tokens) if security.tokens else None

    def admit(self, rpc: Any) -> Caller | None:
        """Return who calls, before anything it sends is read; None where nobody is asked. Raises RefusedError."""
        if not self._security.identifies:
            return None
        caller = self._by_token(rpc) if self._tokens else _by_certificate(rpc)
        wanted = self._security.trust_domain
        if wanted and caller.trust_domain != wanted:
            raise ForbiddenError(f"{caller.id} is of the trust domain {caller.trust_domain}, not of {wanted}")
        self.confirm(caller)
        return caller

    def allow(self, caller: Caller | None, proxy: Proxy) -> Proxy:
        """Return the proxy with the identity it has proved. Raises RefusedError when it claims another namespace."""
        if caller is None:
            return proxy
        self.confirm(caller)
        if caller.namespace != proxy.namespace:
            raise ForbiddenError(f"{caller.id} may not claim namespace {proxy.namespace!r}, only {caller.namespace!r}")
        return msgspec.structs.replace(proxy, identity=caller.id)

    def confirm(self, caller: Caller | None) -> None:
        """Check, at each message, that what a caller proved still holds. Raises UnauthenticatedError."""
        if caller is not None and caller.expires <= self._now():
            raise UnauthenticatedError(f"the credentials of {caller.id} have expired: connect again with new ones")

    def _by_token(self, rpc: Any) -> Caller:
        assert self._tokens is not None
        said = [value for key, value in rpc.invocation_metadata() or () if key == "authorization"]
        if len(said) != 1 or not isinstance(said[0], str) or not said[0].lower().startswith(_BEARER):
            raise UnauthenticatedError("one `authorization: Bearer TOKEN` is needed")
        return self._tokens.caller_of(said[0][len(_BEARER) :].strip())


def credentials(security: Security) -> grpc.ServerCredentials | None:
    """Return the server's TLS credentials; None is plaintext. Raises FileProblemError."""
    return server_credentials(security.tls) if security.tls else None


def _by_certificate(rpc: Any) -> Caller:
    shown = rpc.auth_context().get("x509_pem_cert", ())
    if len(shown) != 1:
        raise UnauthenticatedError("a client certificate is needed")
    return caller_of(shown[0])
