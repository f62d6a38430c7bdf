"""Where routers take traffic from outside, whatever API said so: gateways, their servers, how TLS is spoken there."""

from enum import Enum

import msgspec

from mirrorplane.api.credentials import Trust
from mirrorplane.api.hosts import covers
from mirrorplane.api.meta import Labels, Ref

EVERYWHERE = "*"


class Speaks(Enum):
    """What clients send to a server, TLS taken off where the router takes it off.

    BYTES: anything. DATAGRAMS: anything, by UDP.
    """

    HTTP = "http"
    BYTES = "bytes"
    DATAGRAMS = "datagrams"


class Asks(Enum):
    """What a server that takes TLS off wants of the client: nothing, a certificate, or one if it has any.

    ANY_CERTIFICATE: one if it has any, and one that does not hold will do as well.
    """

    NOTHING = "nothing"
    CERTIFICATE = "certificate"
    CERTIFICATE_IF_ANY = "certificate_if_any"
    ANY_CERTIFICATE = "any_certificate"


class ServedHost(msgspec.Struct, frozen=True):
    """A host or wildcard that a server takes, and the namespace whose rules may speak for it (`*`: any)."""

    host: str
    namespace: str = EVERYWHERE

    def admits(self, namespace: str) -> bool:
        """Tell whether rules of a namespace may speak for it."""
        return self.namespace in {EVERYWHERE, namespace}


class CertificateFiles(msgspec.Struct, frozen=True):
    """A certificate chain and its key: names of files on the router's machine."""

    certificate: str
    key: str


class Termination(msgspec.Struct, frozen=True):
    """How a router takes TLS off.

    `credentials` are Secrets, `name` or `namespace/name`, in the order they are preferred; `files` stand instead of
    them. `ca_credential` (a Secret) or `ca` (a file) say whose clients' certificates hold, and `names`, `spki` and
    `hashes` which of those. Versions are Envoy's words, "" its default; so are `ciphers`.

    With an `asker`, `credentials` are all `namespace/name`, and that object must be permitted to name them. `trust`
    says whose clients' certificates hold, instead of `ca_credential` and `ca`.
    """

    asks: Asks = Asks.NOTHING
    credentials: tuple[str, ...] = ()
    ca_credential: str = ""
    files: tuple[CertificateFiles, ...] = ()
    ca: str = ""
    crl: str = ""
    names: tuple[str, ...] = ()
    spki: tuple[str, ...] = ()
    hashes: tuple[str, ...] = ()
    oldest: str = "TLSv1_2"
    newest: str = "TLSv1_3"
    ciphers: tuple[str, ...] = ()
    asker: Ref | None = None
    trust: Trust | None = None


class Server(msgspec.Struct, frozen=True, cache_hash=True):
    """A port of a gateway and the hosts it takes there.

    `number` is the port that clients call; `bind` the address, "" for the router's own. `tls`: what they send is TLS;
    `termination`: it is taken off. `redirect`: plain HTTP is sent to https. `section` names the server within its
    gateway; `path` is the field that says all this, and `credential_path` the one below it that names certificates.

    `isolated`: what no rule takes is not looked for under wider hosts of other servers on the port, and where TLS is
    taken off, bytes go by the name that was asked for (Gateway API).
    """

    number: int
    speaks: Speaks
    hosts: tuple[ServedHost, ...]
    section: str = ""
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
        """The names that TLS clients ask for, each once; none when all names are taken."""
        names = tuple(dict.fromkeys(said.host for said in self.hosts))
        return () if EVERYWHERE in names else names


class Gateway(msgspec.Struct, frozen=True):
    """Servers for the routers whose labels hold all of `selector`. Rules name it by `name`, `namespace/name`.

    `api` stands before the name, so that gateways that were written in several APIs are told apart. `within`: only
    routers of that namespace serve it, "" all. `shows` is a Secret, `namespace/name`, whose certificate its routers
    show to servers that ask for one; the gateway must be permitted to name it.
    """

    ref: Ref
    selector: Labels
    servers: tuple[Server, ...]
    created: str = ""
    api: str = ""
    within: str = ""
    shows: str = ""

    @property
    def name(self) -> str:
        """What rules call it."""
        return gateway_name(self.api, self.ref.namespace, self.ref.name)

    def selects(self, labels: Labels, namespace: str) -> bool:
        """Tell whether a router with these labels in a namespace serves it."""
        return set(self.selector) <= set(labels) and self.within in {"", namespace}

    @property
    def age(self) -> tuple[str, str, str]:
        """Sort key of Istio's "oldest wins"."""
        return self.created, self.ref.name, self.ref.namespace


def gateway_name(api: str, namespace: str, name: str) -> str:
    """Return what rules call a gateway."""
    return f"{api}:{namespace}/{name}" if api else f"{namespace}/{name}"


def narrower(one: str, other: str) -> str:
    """Return the more specific of two hosts or wildcards, when one takes in the other, or "" when they have none."""
    if one == other or includes(one, other):
        return other
    return one if includes(other, one) else ""


def includes(wide: str, narrow: str) -> bool:
    """Tell whether a host or wildcard takes in another: `*` all, `*.b` also `*.a.b`."""
    return wide in {EVERYWHERE, narrow} or covers(wide, narrow)
