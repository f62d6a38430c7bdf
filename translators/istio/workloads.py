"""WorkloadEntry, on its own, inline in a ServiceEntry or as a WorkloadGroup's template: what is wrong with it."""

from collections.abc import Collection, Iterator

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.hosts import UNIX, host_problem, is_unix
from mirrorplane.api.kinds.istio import service_entry as istio
from mirrorplane.api.meta import Ref
from mirrorplane.api.units import PORTS, WEIGHTS

_LONGEST_SOCKET = 107
"""What a socket's address has room for; Envoy refuses longer ones."""


def address_problem(address: str) -> str:
    """Return why nothing can be reached at an address, or "": it is a host, or a Unix socket where the proxy runs."""
    if not address:
        return "the address is missing"
    if not is_unix(address):
        return host_problem(address)
    path = address.removeprefix(UNIX)
    if path[:1] not in {"/", "@"} or len(path) == 1 or "\0" in path:
        return f"{address!r} is no socket: write unix:///path, or unix://@name for an abstract one"
    if len(path.encode()) > _LONGEST_SOCKET:
        return f"the socket's path has {len(path.encode())} bytes; {_LONGEST_SOCKET} is the most"
    return ""


def workload_findings(
    about: Ref, path: str, said: istio.WorkloadEntry, ports: Collection[str] | None = None
) -> Iterator[Finding]:
    """Refuse numbers that are none and ports that do not exist, and say what changes nothing.

    `ports` are the names that the ports of an endpoint can have; None: any.
    """
    for name, number in said.ports.items():
        if number not in PORTS:
            yield Finding(about, "InvalidPort", f"port {number} is not in 1..65535", f"{path}.ports.{name}")
        if ports is not None and name not in ports:
            message = f"endpoint port {name} is not defined by the service entry"
            yield Finding(about, "InvalidEndpoint", message, f"{path}.ports.{name}", fix="name one of spec.ports")
    if said.weight not in WEIGHTS:
        message = f"weight {said.weight} is not in 0..{WEIGHTS[-1]}"
        yield Finding(about, "InvalidWeight", message, f"{path}.weight")
    for field, text, why in (
        ("network", said.network, "all addresses are called as they are, whatever their network"),
        (
            "serviceAccount",
            said.service_account,
            "workload certificates are not issued here",
        ),
    ):
        if text:
            message = f"{field} changes nothing: {why}"
            yield Finding(about, "FieldLeftOut", message, f"{path}.{field}", Severity.WARNING)
