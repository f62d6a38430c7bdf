"""Gateway: the ports at which routers accept traffic."""

from mirrorplane.api.kinds.istio import GROUP, VERSIONS
from mirrorplane.api.meta import Kind, Wire


class Port(Wire, frozen=True):
    """A port of a server. `targetPort` is deprecated and has no effect."""

    number: int
    protocol: str = ""
    name: str = ""
    target_port: int = 0


class TLSCertificate(Wire, frozen=True):
    """A certificate and its key, as files on the router's machine."""

    server_certificate: str = ""
    private_key: str = ""
    ca_certificates: str = ""


class ServerTLSSettings(Wire, frozen=True):
    """How TLS is terminated. Certificates are Secrets by name, or files on the router's machine."""

    https_redirect: bool = False
    mode: str = "PASSTHROUGH"
    server_certificate: str = ""
    private_key: str = ""
    ca_certificates: str = ""
    ca_crl: str = ""
    credential_name: str = ""
    credential_names: tuple[str, ...] = ()
    ca_cert_credential_name: str = ""
    tls_certificates: tuple[TLSCertificate, ...] = ()
    subject_alt_names: tuple[str, ...] = ()
    verify_certificate_spki: tuple[str, ...] = ()
    verify_certificate_hash: tuple[str, ...] = ()
    min_protocol_version: str = "TLS_AUTO"
    max_protocol_version: str = "TLS_AUTO"
    cipher_suites: tuple[str, ...] = ()
    ecdh_curves: tuple[str, ...] = ()
    alpn_protocols: tuple[str, ...] = ()
    insecure_skip_verify: bool = False


class Server(Wire, frozen=True):
    """A port and the hosts that it serves. `defaultEndpoint` has no effect, in Istio either."""

    port: Port | None = None
    bind: str = ""
    hosts: tuple[str, ...] = ()
    tls: ServerTLSSettings | None = None
    default_endpoint: str = ""
    name: str = ""


class Gateway(Wire, frozen=True):
    """Servers, for the routers whose labels match `selector`; empty matches all routers."""

    servers: tuple[Server, ...] = ()
    selector: dict[str, str] = {}


GATEWAY = Kind(GROUP, VERSIONS, "Gateway", Gateway)
