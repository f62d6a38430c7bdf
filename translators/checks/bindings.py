"""Rules name gateways: those must be there, and take the hosts of the rules."""

from collections.abc import Iterator

from mirrorplane.api.finding import Finding, Severity
from mirrorplane.api.gateways import Gateway, narrower
from mirrorplane.api.routes import RouteTable
from mirrorplane.api.view import View
from mirrorplane.translators.contract import Check
from mirrorplane.translators.lookups.services import MESH


def table(view: View, said: RouteTable) -> tuple[Finding, ...]:
    """Return an error for each gateway that is not there (Istio IST0101), a warning for each host it does not take.

    Nothing for a table at one section of a gateway: it was made for that section and its hosts (Gateway API).
    """
    if said.section_name:
        return ()
    return tuple(finding for name in said.gateways if name != MESH for finding in _at(view, said, name))


def _at(view: View, said: RouteTable, name: str) -> Iterator[Finding]:
    gateway = next((g for obj in view.by("gateway.name", name) for g in view.lowered(obj.ref).gateways), None)
    if gateway is None:
        message = f"there is no gateway {name}: no rule holds there"
        yield Finding(said.ref, "GatewayNotFound", message, "spec.gateways", fix="correct the name, or create it")
        return
    for i, host in enumerate(said.hosts):
        if not _takes(gateway, said, host):
            message = f"no server of gateway {name} takes {host} from namespace {said.ref.namespace}"
            fix = "add it to the hosts of a server"
            yield Finding(said.ref, "HostNotAtGateway", message, f"spec.hosts[{i}]", Severity.WARNING, fix)


def _takes(gateway: Gateway, said: RouteTable, host: str) -> bool:
    served = (one for server in gateway.servers for one in server.hosts)
    return any(one.admits(said.ref.namespace) and narrower(one.host, host) for one in served)


CHECK = Check(table=table)
