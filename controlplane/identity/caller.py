"""What a caller presents, who it proved to be, and the two ways to be refused: values, pure."""

import re

import msgspec

_SPIFFE = re.compile(r"spiffe://(?P<domain>[a-z0-9._-]+)/ns/(?P<ns>[A-Za-z0-9._-]+)/sa/(?P<sa>[A-Za-z0-9._-]+)")
_SUBJECT = re.compile(r"system:serviceaccount:(?P<ns>[a-z0-9.-]+):(?P<sa>[a-z0-9.-]+)")


class RefusedError(Exception):
    """A caller is refused. The message is the sentence it gets."""


class UnauthenticatedError(RefusedError):
    """The caller is unknown: it presented no credentials, or invalid ones. HTTP 401."""


class ForbiddenError(RefusedError):
    """The caller is known, and is not who it claims to be. HTTP 403."""


class Credentials(msgspec.Struct, frozen=True):
    """What a caller presents, whatever the transport.

    `authorization`: all values of the `authorization` header, gRPC metadata or HTTP. `certificates`: the client
    certificates of the TLS connection, in PEM; the transport has verified them against the client CA.
    """

    authorization: tuple[str | bytes, ...] = ()
    certificates: tuple[bytes, ...] = ()


class Caller(msgspec.Struct, frozen=True):
    """A workload's identity. `expires` is the Unix time, in seconds, until which it is proved."""

    trust_domain: str
    namespace: str
    service_account: str
    expires: float

    @property
    def id(self) -> str:
        """The SPIFFE ID, in the form that Istio gives workloads."""
        return f"spiffe://{self.trust_domain}/ns/{self.namespace}/sa/{self.service_account}"


def caller_from_spiffe_id(uri: str, expires: float) -> Caller:
    """Read `spiffe://DOMAIN/ns/NAMESPACE/sa/ACCOUNT`. Raises UnauthenticatedError for any other form."""
    match = _SPIFFE.fullmatch(uri)
    if match is None:
        raise UnauthenticatedError(f"{uri!r} is not of the form spiffe://DOMAIN/ns/NAMESPACE/sa/ACCOUNT")
    return Caller(match["domain"], match["ns"], match["sa"], expires)


def caller_from_subject(subject: str, trust_domain: str, expires: float) -> Caller:
    """Read Kubernetes' `system:serviceaccount:NAMESPACE:ACCOUNT`. Raises UnauthenticatedError for any other form."""
    match = _SUBJECT.fullmatch(subject)
    if match is None:
        raise UnauthenticatedError(f"subject {subject!r} is not of the form system:serviceaccount:NAMESPACE:ACCOUNT")
    return Caller(trust_domain, match["ns"], match["sa"], expires)
