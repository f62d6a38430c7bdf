"""How Istio's objects refer to hosts and gateways: short names are completed with the referring object's namespace."""

from collections.abc import Iterator

from mirrorplane.api.actions import Destination
from mirrorplane.api.finding import Finding
from mirrorplane.api.hosts import fqdn, host_problem
from mirrorplane.api.kinds.istio import virtual_service as istio
from mirrorplane.api.meta import Ref
from mirrorplane.api.units import PORTS

MESH = "mesh"
"""Istio's reserved gateway name: all sidecars."""


def gateway_name(reference: str, namespace: str) -> str:
    """Return a gateway's name as `namespace/name`; `mesh` stays as it is.

    Istio: a bare name, or one after `./`, is in the object's own namespace; `name.namespace.svc...` is the old form.
    """
    # Gateways of Gateway API have a colon in their names (see api/gateways). An Istio reference must never become one:
    # Gateway API alone decides which rules apply there.
    if ":" in reference:
        return f"{namespace}/{reference}"
    owner, slash, name = reference.rpartition("/")
    if slash:
        return f"{namespace if owner == '.' else owner}/{name}"
    if reference == MESH:
        return reference
    name, dot, suffix = reference.partition(".")
    return f"{suffix.partition('.')[0] if dot else namespace}/{name}"


def destination_of(about: Ref, path: str, spec: istio.Destination) -> Destination:
    """Return a destination with its host completed."""
    return Destination(fqdn(spec.host, about.namespace), spec.subset, spec.port.number if spec.port else 0, path=path)


def destination_findings(about: Ref, path: str, spec: istio.Destination) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses."""
    if problem := host_problem(spec.host) or ("invalid destination host *" if spec.host == "*" else ""):
        yield Finding(about, "InvalidDestination", problem, f"{path}.host")
    if spec.port is not None and spec.port.number not in PORTS:
        message = f"port {spec.port.number} is not in 1..65535"
        yield Finding(about, "InvalidDestination", message, f"{path}.port.number")
    # It separates the parts of a cluster's name.
    if "|" in spec.subset:
        yield Finding(about, "InvalidDestination", f"subset name is invalid: {spec.subset!r}", f"{path}.subset")
