"""Settings of the process itself, and limits. The only place that may read the environment: flags are read by click."""

import ipaddress
import os

import msgspec

HIGHEST_PORT = 65535
_DIGITS = 5
"""Of a port. `int` raises for thousands."""


class AddressError(ValueError):
    """An address that is not host:port. The message says what is wrong with it."""


class Address(msgspec.Struct, frozen=True):
    """Where to listen or connect. Port 0 means any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Tell whether only this machine can reach the address."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


class ClientLimits(msgspec.Struct, frozen=True):
    """What one client may take of what all share, each with a flag of `mirrorplane serve`. See decision 0142.

    A client is an authenticated identity; without authentication, the address that it connects from. `streams`: how
    many may be open at once; a proxy has one, or one for each type. `scopes`: how many different configurations its
    proxies may have. `first_message`, in bytes: the message in which a reconnecting proxy lists its resources with
    their versions, 100 bytes for each cluster.
    """

    streams: int = 5000
    scopes: int = 100
    first_message: int = 4 << 20


def quieten_grpc() -> None:
    """Keep gRPC's own lines off stderr, unless GRPC_VERBOSITY asks for them. To be called before grpc is imported.

    They have a format of their own, and any client that fails a handshake causes one. See decision 0143.
    """
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")


def parse_address(text: str) -> Address:
    """Read `host:port` or `[ipv6]:port`. Raises AddressError."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host:
        raise AddressError(f"{text!r} is not an address: write host:port, for example 127.0.0.1:15010")
    if not (port.isascii() and port.isdigit() and len(port) <= _DIGITS and int(port) <= HIGHEST_PORT):
        raise AddressError(f"{text!r} is not an address: {port!r} is not a port in 0..{HIGHEST_PORT}")
    return Address(host, int(port))
