"""Gateways, whatever API declares them: the servers of routers, their hosts, and how they terminate TLS."""

from enum import Enum

import msgspec

from mirrorplane.api.credentials import CaRefs
from mirrorplane.api.hosts import covers
from mirrorplane.api.meta import Labels, Ref
from mirrorplane.api.routes import Order

EVERYWHERE = "*"


class ServerProtocol(Enum):
    """What a router handles at a server, after it terminated TLS where it does.

    TCP: connections, whatever they carry. UDP: datagrams.
    """

    HTTP = "http"
    TCP = "tcp"
    UDP = "udp"


class ClientCertificate(Enum):
    """Whether a server that terminates TLS requests a client certificate.

    OPTIONAL: request one, and verify it where the client has one. UNVERIFIED: request one, and accept clients without
    one or with an invalid one (Gateway API's AllowInsecureFallback). REQUIRED_UNVERIFIED: require one,
    valid or not (Istio's insecureSkipVerify with MUTUAL).
    """

    NONE = "none"
    REQUIRED = "required"
    OPTIONAL = "optional"
    UNVERIFIED = "unverified"
    REQUIRED_UNVERIFIED = "required_unverified"


class ServedHost(msgspec.Struct, frozen=True):
    """A host or wildcard of a server, and the namespace whose routes may bind to it (`*`: any)."""

    host: str
    namespace: str = EVERYWHERE

    def admits(self, namespace: str) -> bool:
        """Tell whether routes of a namespace may bind to it."""
        return self.namespace in {EVERYWHERE, namespace}


class CertificateFiles(msgspec.Struct, frozen=True):
    """A certificate chain and its key: file names on the router's machine."""

    certificate: str
    key: str


class Termination(msgspec.Struct, frozen=True):
    """How a router terminates TLS.

    `credentials` are Secrets, `name` or `namespace/name`, in order of preference; `files` take their place where set.
    Client certificates are verified by `ca_credential` (a Secret) or `ca` (a file), and restricted by `names`, `spki`
    and `hashes`. TLS versions, `ciphers` and `curves` are Envoy's words; empty is its default. `alpn`
    replaces the protocols that the server would offer.

    With a `referrer`, all `credentials` are `namespace/name`, and that object needs permission to refer to them.
    `client_ca` verifies client certificates then, instead of `ca_credential` and `ca`.
    """

    client_certificate: ClientCertificate = ClientCertificate.NONE
    credentials: tuple[str, ...] = ()
    ca_credential: str = ""
    files: tuple[CertificateFiles, ...] = ()
    ca: str = ""
    crl: str = ""
    names: tuple[str, ...] = ()
    spki: tuple[str, ...] = ()
    hashes: tuple[str, ...] = ()
    # What Istio makes of TLS_AUTO.
    oldest: str = "TLSv1_2"
    newest: str = "TLSv1_3"
    ciphers: tuple[str, ...] = ()
    curves: tuple[str, ...] = ()
    alpn: tuple[str, ...] = ()
    referrer: Ref | None = None
    client_ca: CaRefs | None = None


class Server(msgspec.Struct, frozen=True, cache_hash=True):
    """A port of a gateway, and the hosts that it serves there.

    `number` is the port that clients connect to; `bind` the address, "" for the router's own. `tls`: clients use TLS;
    `termination`: the router terminates it, and else passes it through. `redirect`: plain HTTP is redirected to https.
    `section_name` identifies the server within its gateway; `path` is the field that declares it, and
    `credential_path` the one below that refers to certificates.

    `isolated`: a request that matches no route of this server is not looked up under wider hosts of others on the
    port, and terminated TLS is forwarded as TCP by server name (Gateway API).
    """

    number: int
    protocol: ServerProtocol
    hosts: tuple[ServedHost, ...]
    section_name: str = ""
    bind: str = ""
    tls: bool = False
    termination: Termination | None = None
    redirect: bool = False
    stat_prefix: str = ""
    path: str = ""
    credential_path: str = "tls.credentialName"
    isolated: bool = False

    @property
    def server_names(self) -> tuple[str, ...]:
        """The SNI names that it serves, each once; none when it serves every name."""
        names = tuple(dict.fromkeys(served.host for served in self.hosts))
        return () if EVERYWHERE in names else names


class Gateway(msgspec.Struct, frozen=True):
    """Servers for the routers whose labels include all of `selector`. Routes bind to it by `name`, `namespace/name`.

    `api` is the prefix of that name that keeps gateways of several APIs apart. `router_namespace`: only routers there
    serve it, "" for all. `client_certificate` is a Secret, `namespace/name`, that its routers present to backends which
    request a certificate; the gateway needs permission to refer to it. `order` is that of the tables that bind to it.
    `service_accounts` are those of its routers in its own namespace (`*`: any), `remote_accounts` those in others: only
    routers with one of them are sent Secrets (decision 0133).
    """

    ref: Ref
    selector: Labels
    servers: tuple[Server, ...]
    created: str = ""
    api: str = ""
    router_namespace: str = ""
    client_certificate: str = ""
    order: Order = Order.WRITTEN
    service_accounts: tuple[str, ...] = ()
    remote_accounts: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name by which routes bind to it."""
        return gateway_name(self.api, self.ref.namespace, self.ref.name)

    def selects(self, labels: Labels, namespace: str) -> bool:
        """Tell whether a router with these labels in a namespace serves it."""
        return set(self.selector) <= set(labels) and self.router_namespace in {"", namespace}

    @property
    def age(self) -> tuple[str, str, str]:
        """Sort key of Istio's "oldest wins"."""
        return self.created, self.ref.name, self.ref.namespace


def gateway_name(api: str, namespace: str, name: str) -> str:
    """Return the name by which routes bind to a gateway."""
    return f"{api}:{namespace}/{name}" if api else f"{namespace}/{name}"


def narrower(host: str, rival: str) -> str:
    """Return the more specific of two hosts or wildcards, when one includes the other; "" when they do not meet."""
    if host == rival or includes(host, rival):
        return rival
    return host if includes(rival, host) else ""


def includes(pattern: str, host: str) -> bool:
    """Tell whether a host or wildcard includes another: `*` all, `*.b` also `*.a.b`."""
    return pattern in {EVERYWHERE, host} or covers(pattern, host)
