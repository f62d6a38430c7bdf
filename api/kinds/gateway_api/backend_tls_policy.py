"""BackendTLSPolicy: the TLS settings with which Gateways connect to Services."""

from typing import Annotated, Literal

from msgspec import Meta, field

from mirrorplane.api.kinds.gateway_api import GROUP
from mirrorplane.api.kinds.gateway_api.references import LocalObjectReference
from mirrorplane.api.meta import Kind, Wire


class LocalPolicyTargetReference(LocalObjectReference, frozen=True):
    """The target of a policy, in its namespace; of a Service, all ports, or the one of the name."""

    section_name: Annotated[str, Meta(max_length=253)] = ""


class SubjectAltName(Wire, frozen=True):
    """A subject alternative name of a certificate."""

    type: Literal["Hostname", "URI"]
    hostname: Annotated[str, Meta(max_length=253)] = ""
    uri: Annotated[str, Meta(max_length=253)] = ""


class BackendTLSPolicyValidation(Wire, frozen=True):
    """How the backend's certificate is verified. `hostname` is sent as SNI.

    The certificate must contain it, unless there are `subject_alt_names`: then it must contain one of those.
    """

    hostname: Annotated[str, Meta(min_length=1, max_length=253)]
    ca_certificate_refs: Annotated[tuple[LocalObjectReference, ...], Meta(max_length=8)] = field(
        default=(), name="caCertificateRefs"
    )
    well_known_ca_certificates: Literal["System"] | None = field(default=None, name="wellKnownCACertificates")
    subject_alt_names: Annotated[tuple[SubjectAltName, ...], Meta(max_length=5)] = ()


class BackendTLSPolicy(Wire, frozen=True):
    """The TLS settings of connections to the targets."""

    target_refs: Annotated[tuple[LocalPolicyTargetReference, ...], Meta(min_length=1, max_length=16)]
    validation: BackendTLSPolicyValidation
    options: Annotated[dict[str, str], Meta(max_length=16)] = {}


BACKEND_TLS_POLICY = Kind(GROUP, ("v1", "v1alpha3"), "BackendTLSPolicy", BackendTLSPolicy)
