"""Destination -> Destination: where requests, copies and connections go."""

from collections.abc import Iterator

from mirrorplane.api.actions import Destination
from mirrorplane.api.finding import Finding
from mirrorplane.api.hosts import fqdn, host_problem
from mirrorplane.api.kinds.istio import virtual_service as istio
from mirrorplane.api.meta import Ref
from mirrorplane.api.units import PORTS


def destination_of(about: Ref, path: str, to: istio.Destination) -> Destination:
    """Return a destination; short names are completed with the namespace of the object that says them."""
    return Destination(fqdn(to.host, about.namespace), to.subset, to.port.number if to.port else 0, path=path)


def destination_findings(about: Ref, path: str, to: istio.Destination) -> Iterator[Finding]:
    """Refuse what Istio's validation refuses."""
    if problem := host_problem(to.host) or ("invalid destination host *" if to.host == "*" else ""):
        yield Finding(about, "InvalidDestination", problem, f"{path}.host")
    if to.port is not None and to.port.number not in PORTS:
        yield Finding(about, "InvalidDestination", f"port {to.port.number} is not in 1..65535", f"{path}.port.number")
    if "|" in to.subset:
        yield Finding(about, "InvalidDestination", f"subset name is invalid: {to.subset!r}", f"{path}.subset")
