"""One connected Envoy, as its xDS Node describes it, and the properties of it that can change its configuration.

Visibility, ClientKey, EndpointView and Scope are one ladder: each has what the one before has, and what one more
question depends on. Which services does it see; which policies apply to its calls; how near are endpoints to it; and
last, what is its whole configuration? What is built from a lower rung is shared by more proxies.
"""

from collections.abc import Mapping

import msgspec

from mirrorplane.api.hosts import is_ip
from mirrorplane.api.meta import Ref

SIDECAR, ROUTER = "sidecar", "router"
ROLES = (SIDECAR, ROUTER)
LOOPBACK = "127.0.0.1"
REDIRECT, TPROXY = "REDIRECT", "TPROXY"
INTERCEPTIONS = ("NONE", REDIRECT, TPROXY)

OWN_PORTS = frozenset({15000, 15001, 15004, 15006, 15008, 15020, 15021, 15053, 15090})
"""Ports that an intercepting sidecar uses itself (Istio)."""


class Locality(msgspec.Struct, frozen=True, order=True):
    """Where an endpoint or a proxy runs."""

    region: str = ""
    zone: str = ""
    subzone: str = ""


class Proxy(msgspec.Struct, frozen=True):
    """A proxy. `interception` is NONE (listeners are really bound) or REDIRECT/TPROXY (iptables redirects traffic).

    All but `identity` is the proxy's own claim. `identity` is authenticated
    (`spiffe://cluster.local/ns/default/sa/sleep`), or "" without authentication.

    `envoy_version` is `1.40.0`, or "" for a client that is no Envoy. `upstream_filters` are those of `envoy_features`
    that its build has; None where it lists none, so that its version decides.
    """

    role: str
    name: str
    namespace: str
    ip: str = LOOPBACK
    domain: str = "cluster.local"
    labels: Mapping[str, str] = {}
    locality: Locality = Locality()
    interception: str = "NONE"
    unprivileged: bool = False
    identity: str = ""
    envoy_version: str = ""
    upstream_filters: tuple[str, ...] | None = None

    @property
    def service_account(self) -> str:
        """The authenticated service account, of the proxy's namespace; "" without authentication."""
        return self.identity.rpartition("/sa/")[2]

    @property
    def id(self) -> str:
        """Istio's node id: `sidecar~10.0.0.7~sleep.default~default.svc.cluster.local`."""
        return f"{self.role}~{self.ip}~{self.name}.{self.namespace}~{self.namespace}.svc.{self.domain}"


class Visibility(msgspec.Struct, frozen=True, order=True, cache_hash=True):
    """The properties of a proxy that decide which services and rules it sees: the first rung of the ladder.

    `sidecar` is the object that limits what it sees, if there is one (Istio: Sidecar).
    """

    namespace: str
    sidecar: Ref | None = None


class ClientKey(msgspec.Struct, frozen=True, order=True, cache_hash=True):
    """The properties of a proxy that decide which policies apply to its calls, as a client.

    `labels` are those that some policy of its namespace selects clients by. `holds_secrets`: it is sent Secrets of its
    namespace, so it can show a certificate of one. `router`: it forwards requests of clients outside the mesh.
    `client_certificate_gateway`: the gateway with the client certificate that it shows.
    """

    visibility: Visibility
    labels: tuple[tuple[str, str], ...] = ()
    holds_secrets: bool = False
    router: bool = False
    client_certificate_gateway: Ref | None = None

    @property
    def namespace(self) -> str:
        """The namespace of the client."""
        return self.visibility.namespace


class EndpointView(msgspec.Struct, frozen=True, order=True, cache_hash=True):
    """A client, and its place among endpoints, which is only set when some rule depends on it.

    `labels` are those that some rule compares with the endpoints' own.
    """

    client: ClientKey
    locality: Locality = Locality()
    labels: tuple[tuple[str, str], ...] = ()


class Scope(msgspec.Struct, frozen=True, order=True, cache_hash=True):
    """The properties of a Proxy that can change its configuration. Proxies with equal scopes share all work and bytes.

    `labels` are only those that some object selects on, `gateways` those that select a router. `bind` is the address of
    listeners that are really bound. `intercepted`: the kernel redirects traffic and reports its original destination.
    `workload_labels` are those that some service selects workloads by, for inbound ports, and for routers;
    `workload_address` is set where some object of the namespace lists the proxy's address as a workload's. `identity`
    is set for routers: Secrets are never shared with another identity. `locality` and `locality_labels`, which are
    compared with those of endpoints, are set where some rule prefers near endpoints; `policy_labels` are those that
    some policy of the namespace selects clients by. `client_certificate_gateway` has the certificate that a
    router shows to backends. `secret_gateways` are those of `gateways` whose routers have its service account: it is
    sent their Secrets, and without any it is sent none. `missing_features` are the names of the `envoy_features` that
    its Envoy lacks; none for the newest, which the default is.
    """

    role: str
    visibility: Visibility
    domain: str = "cluster.local"
    labels: tuple[tuple[str, str], ...] = ()
    gateways: tuple[Ref, ...] = ()
    bind: str = LOOPBACK
    unprivileged: bool = False
    intercepted: bool = False
    workload_labels: tuple[tuple[str, str], ...] = ()
    workload_address: str = ""
    identity: str = ""
    locality: Locality = Locality()
    locality_labels: tuple[tuple[str, str], ...] = ()
    policy_labels: tuple[tuple[str, str], ...] = ()
    client_certificate_gateway: Ref | None = None
    secret_gateways: tuple[Ref, ...] = ()
    missing_features: tuple[str, ...] = ()

    @property
    def namespace(self) -> str:
        """The namespace that the proxy is in."""
        return self.visibility.namespace

    @property
    def outbound(self) -> "Scope":
        """The scope without what only matters to inbound traffic or clusters: equal ones share listeners and routes."""
        if not (self.workload_labels or self.workload_address or self.missing_features):
            return self
        return msgspec.structs.replace(self, workload_labels=(), workload_address="", missing_features=())

    @property
    def client(self) -> ClientKey:
        """The key by which policies apply to the calls of this proxy."""
        # Secrets are sent only to routers that have proved who they are. See decision 0026.
        router = self.role == ROUTER
        return ClientKey(
            self.visibility, self.policy_labels, bool(self.secret_gateways), router, self.client_certificate_gateway
        )

    @property
    def endpoint_view(self) -> EndpointView:
        """The client with its place among endpoints."""
        return EndpointView(self.client, self.locality, self.locality_labels)


class NodeIdError(ValueError):
    """A node id that does not have Istio's form. The message names the id and the form."""


def parse_node_id(node_id: str) -> tuple[str, str, str, str, str]:
    """Split Istio's `role~ip~name.namespace~domain` into role, ip, name, namespace, cluster domain.

    Raises NodeIdError when a part is missing or the role is unknown.
    """
    parts = node_id.split("~")
    if len(parts) != 4 or not all(parts):  # noqa: PLR2004 - the form has four parts
        raise NodeIdError(f"node id {node_id!r}: want role~ip~name.namespace~namespace.svc.domain")
    role, ip, workload, dns = parts
    if role not in ROLES:
        raise NodeIdError(f"node id {node_id!r}: role {role!r} is not one of {', '.join(ROLES)}")
    if not is_ip(ip):
        raise NodeIdError(f"node id {node_id!r}: {ip!r} is not an IP address")
    name, _, namespace = workload.rpartition(".")
    if not name:
        raise NodeIdError(f"node id {node_id!r}: {workload!r} is not name.namespace")
    return role, ip, name, namespace, dns.partition(".svc.")[2] or "cluster.local"
