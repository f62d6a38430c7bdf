"""Whether a client can send or mirror requests to a destination: the one answer that backends, mirrors and checks give.

Envoy reports nothing about a mirror whose cluster is missing, and 503 for a request. So the same function that decides
which clusters are named also decides what `check` and status conditions report.
"""

from enum import Enum

import msgspec

from mirrorplane.api.actions import Destination
from mirrorplane.api.cluster_policy import Algorithm
from mirrorplane.api.mesh import Protocol, Resolution, Service
from mirrorplane.api.proxy import ClientKey
from mirrorplane.api.view import View
from mirrorplane.translators.lookups import services
from mirrorplane.translators.lookups.endpoints import port_of
from mirrorplane.translators.lookups.policies import cluster_policy, find_subset
from mirrorplane.translators.names import Purpose, outbound_cluster


class DestinationField(Enum):
    """The field of a destination that is wrong. POLICY: none of them, but the policy for calls to its host."""

    HOST = "host"
    PORT = "port"
    SUBSET = "subset"
    POLICY = "policy"


class Traffic(Enum):
    """What is sent to a destination. PASSTHROUGH: TLS connections, forwarded without terminating TLS."""

    REQUESTS = "requests"
    PASSTHROUGH = "passthrough"
    MIRROR = "mirror"
    DATAGRAMS = "udp"


class Problem(msgspec.Struct, frozen=True):
    """Why nothing can be sent to a destination: the field that is wrong, and a sentence."""

    field: DestinationField
    message: str

    def path(self, destination: Destination) -> str:
        """Return the field that is wrong, in the words of the API that the destination was written in."""
        is_policy = self.field is DestinationField.POLICY
        name = "" if is_policy else getattr(destination.fields, self.field.value)
        return f"{destination.path}.{name}" if name else destination.path


def unreachable(
    view: View, client: ClientKey, destination: Destination, port: int, traffic: Traffic = Traffic.REQUESTS
) -> Problem | None:
    """Return why a client cannot send to a destination, or None when it can.

    `port` is the service's port that the destination stands for (see `target_port`); 0 is any.
    """
    service = view.memo(services.find_service, client.visibility, destination.host)
    if service is None:
        return Problem(
            DestinationField.HOST, f"no service {destination.host} is visible from namespace {client.namespace}"
        )
    if traffic is Traffic.MIRROR and service.resolution is Resolution.NONE:
        return Problem(
            DestinationField.HOST, f"{destination.host} has resolution NONE and so no endpoints to mirror to"
        )
    if problem := port_problem(service, f"service {destination.host}", port, udp=traffic is Traffic.DATAGRAMS):
        return problem
    if destination.subset and find_subset(view, client, destination.host, destination.subset) is None:
        return Problem(
            DestinationField.SUBSET, f"no DestinationRule for {destination.host} defines a subset {destination.subset}"
        )
    return None if traffic is Traffic.DATAGRAMS else _policy_problem(view, client, destination, port, traffic)


def port_problem(service: Service, name: str, port: int, *, udp: bool = False) -> Problem | None:
    """Return why a port of a service, called `name` in the message, cannot be sent to; None when it can. 0 is any."""
    if not port and not service.ports:
        return Problem(DestinationField.PORT, f"{name} has no ports")
    if not port or port_of(service, port, udp=udp) is not None:
        return None
    ports = ", ".join(_spelled(p.number, udp=p.protocol is Protocol.UDP) for p in service.ports)
    message = f"{name} has no port {_spelled(port, udp=udp)} (its ports: {ports or 'none'})"
    return Problem(DestinationField.PORT, message)


def _spelled(port: int, *, udp: bool) -> str:
    return f"{port}/UDP" if udp else str(port)


def _policy_problem(
    view: View, client: ClientKey, destination: Destination, port: int, traffic: Traffic
) -> Problem | None:
    """Return why the policy for a host leaves nothing to send to.

    A mirror is dropped. For requests the cluster is still built, without endpoints, and Envoy answers 503.
    """
    purpose = Purpose.PASSTHROUGH if traffic is Traffic.PASSTHROUGH else Purpose.OUTBOUND
    cluster = msgspec.structs.replace(outbound_cluster(destination.host, port, destination.subset), purpose=purpose)
    policy = cluster_policy(view, client, cluster)
    # Requests to ORIGINAL_DST have the address that the client dialled, wherever traffic is intercepted.
    original_dst = policy.load_balancer is not None and policy.load_balancer.algorithm is Algorithm.ORIGINAL_DST
    if traffic is Traffic.MIRROR and original_dst:
        message = (
            f"{destination.host} has the load balancer PASSTHROUGH, and a mirrored request has no original destination"
        )
        return Problem(DestinationField.POLICY, message)
    reason = policy.tls_problem(holds_secrets=client.holds_secrets)
    kind = "BackendTLSPolicy" if policy.tls is not None and policy.tls.problem else "DestinationRule"
    message = f"the {kind} for {destination.host} cannot be applied: {reason}"
    return Problem(DestinationField.POLICY, message) if reason else None
