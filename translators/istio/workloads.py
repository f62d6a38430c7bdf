"""WorkloadEntry, on its own, inline in a ServiceEntry or as a WorkloadGroup's template: locality and validation."""

import re
from collections.abc import Collection, Iterator

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.hosts import UNIX, host_problem, is_unix
from mirrorplane.api.kinds.istio import service_entry as istio
from mirrorplane.api.meta import Ref
from mirrorplane.api.proxy import Locality
from mirrorplane.api.units import PORTS, WEIGHTS
from mirrorplane.translators.istio.left_out import left_out

_PORT_NAME = re.compile(r"[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?")
"""Istio (`ValidatePortName`): a DNS label."""
_LONGEST_SOCKET = 107
"""The size of sockaddr_un.sun_path without its final NUL; Envoy rejects longer paths."""


def locality_of(text: str) -> Locality:
    """Parse `region/zone/subzone`; missing parts are empty."""
    region, zone, subzone, *_ = (*text.split("/"), "", "")
    return Locality(region, zone, subzone)


def address_problem(address: str) -> str:
    """Return why an address is invalid, or "". It is a host, or a Unix socket on the proxy's machine."""
    if not address:
        return "address must be set"
    if not is_unix(address):
        return host_problem(address) or (f"{address!r} must be a single host" if "*" in address else "")
    path = address.removeprefix(UNIX)
    # Istio (`ValidateUnixAddress`): a path that ends in a slash names a directory.
    if path[:1] not in {"/", "@"} or len(path) == 1 or path.endswith("/") or "\0" in path:
        return f"{address!r} is not a socket: use unix:///path, or unix://@name for an abstract one"
    if len(path.encode()) > _LONGEST_SOCKET:
        return f"the socket's path has {len(path.encode())} bytes, more than {_LONGEST_SOCKET}"
    return ""


def has_no_address(spec: istio.WorkloadEntry) -> bool:
    """Tell whether a workload is to be called through the gateway of its network: it has no address of its own."""
    return not spec.address and bool(spec.network)


def no_address(about: Ref, path: str, role: str) -> Finding:
    """Return the warning about such a workload, which Istio's validation accepts. `role`: workload, or endpoint."""
    message = f"no address: the {role} would be called through a gateway of its network, which is not supported"
    return Finding(about, "NotServed", message, path, Severity.WARNING, "set address")


def workload_findings(
    about: Ref, path: str, spec: istio.WorkloadEntry, ports: Collection[str] | None = None
) -> Iterator[Finding]:
    """Refuse invalid numbers and unknown ports, and warn of fields without effect.

    `ports` are the allowed names of an endpoint's ports; None allows any.
    """
    for name, number in spec.ports.items():
        if number not in PORTS:
            yield Finding(about, "InvalidPort", f"port {number} is not in 1..65535", f"{path}.ports.{name}")
        if not _PORT_NAME.fullmatch(name):
            message = f"invalid port name {name!r}: use letters, digits and dashes"
            yield Finding(about, "InvalidPort", message, f"{path}.ports")
        if ports is not None and name not in ports:
            message = f"endpoint port {name} is not defined by the service entry"
            yield Finding(about, "InvalidEndpoint", message, f"{path}.ports.{name}", fix="use a name from spec.ports")
    if spec.weight not in WEIGHTS:
        message = f"weight {spec.weight} is not in 0..{WEIGHTS[-1]}"
        yield Finding(about, "InvalidWeight", message, f"{path}.weight")
    reasons = {
        "network": (spec.network, "addresses are dialled directly in every network"),
        "serviceAccount": (spec.service_account, "Mirrorplane issues no workload certificates"),
    }
    yield from left_out(about, path, reasons)
