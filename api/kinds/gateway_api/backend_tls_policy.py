"""BackendTLSPolicy: how Gateways call Services by TLS."""

from typing import Annotated, Literal

from msgspec import Meta, field

from mirrorplane.api.kinds.gateway_api import GROUP
from mirrorplane.api.kinds.gateway_api.references import LocalObjectReference
from mirrorplane.api.meta import Kind, Wire


class LocalPolicyTargetReference(LocalObjectReference, frozen=True):
    """What a policy is for: an object of its namespace; of a Service, all ports, or the one of the name."""

    section_name: Annotated[str, Meta(max_length=253)] = ""


class SubjectAltName(Wire, frozen=True):
    """A name in a certificate."""

    type: Literal["Hostname", "URI"]
    hostname: Annotated[str, Meta(max_length=253)] = ""
    uri: Annotated[str, Meta(max_length=253)] = ""


class BackendTLSPolicyValidation(Wire, frozen=True):
    """Whose certificates hold, and which of those. `hostname` is the server name that is asked for.

    It has to be in the certificate too, unless there are `subject_alt_names`: then one of those has to be.
    """

    hostname: Annotated[str, Meta(min_length=1, max_length=253)]
    ca_certificate_refs: Annotated[tuple[LocalObjectReference, ...], Meta(max_length=8)] = field(
        default=(), name="caCertificateRefs"
    )
    well_known_ca_certificates: Literal["System"] | None = field(default=None, name="wellKnownCACertificates")
    subject_alt_names: Annotated[tuple[SubjectAltName, ...], Meta(max_length=5)] = ()


class BackendTLSPolicy(Wire, frozen=True):
    """How the targets are called."""

    target_refs: Annotated[tuple[LocalPolicyTargetReference, ...], Meta(min_length=1, max_length=16)]
    validation: BackendTLSPolicyValidation
    options: Annotated[dict[str, str], Meta(max_length=16)] = {}


BACKEND_TLS_POLICY = Kind(GROUP, ("v1", "v1alpha3"), "BackendTLSPolicy", BackendTLSPolicy)
