"""Who has proved to be calling, as a value, and the two ways to be turned away. Pure."""

import re

import msgspec

_SPIFFE = re.compile(r"spiffe://(?P<domain>[a-z0-9._-]+)/ns/(?P<ns>[A-Za-z0-9._-]+)/sa/(?P<sa>[A-Za-z0-9._-]+)")
_SUBJECT = re.compile(r"system:serviceaccount:(?P<ns>[a-z0-9.-]+):(?P<sa>[a-z0-9.-]+)")


class RefusedError(Exception):
    """A caller that is turned away. The message is the sentence it gets."""


class UnauthenticatedError(RefusedError):
    """Nobody knows who is calling: no credentials, or none that hold."""


class ForbiddenError(RefusedError):
    """It is known who is calling, and that is not who it claims to be."""


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


def of_spiffe(uri: str, expires: float) -> Caller:
    """Read `spiffe://DOMAIN/ns/NAMESPACE/sa/ACCOUNT`. Raises UnauthenticatedError for any other form."""
    found = _SPIFFE.fullmatch(uri)
    if found is None:
        raise UnauthenticatedError(f"{uri!r} is not of the form spiffe://DOMAIN/ns/NAMESPACE/sa/ACCOUNT")
    return Caller(found["domain"], found["ns"], found["sa"], expires)


def of_subject(subject: str, trust_domain: str, expires: float) -> Caller:
    """Read Kubernetes' `system:serviceaccount:NAMESPACE:ACCOUNT`. Raises UnauthenticatedError for any other form."""
    found = _SUBJECT.fullmatch(subject)
    if found is None:
        raise UnauthenticatedError(f"the subject {subject!r} is no system:serviceaccount:NAMESPACE:ACCOUNT")
    return Caller(trust_domain, found["ns"], found["sa"], expires)
