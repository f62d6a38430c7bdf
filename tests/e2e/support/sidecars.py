"""Sidecars for the tests, each on its own loopback address, so that parallel runs never collide."""

import random
import socket

import msgspec

from mirrorplane.api.proxy import Proxy
from mirrorplane.controlplane.playground.proxy import EnvoyProcess
from mirrorplane.controlplane.playground.stage import Stage

PROXY_PORT = 15080
_ATTEMPTS = 100


class Sidecar(msgspec.Struct, frozen=True):
    """A running Envoy, and the address that its listeners are bound to."""

    envoy: EnvoyProcess
    address: str

    @property
    def proxy(self) -> str:
        """The URL that a client sets as http_proxy."""
        return f"http://{self.address}:{PROXY_PORT}"

    def on(self, port: int) -> str:
        """The URL of a service port's listener, without a path."""
        return f"http://{self.address}:{port}"


async def sidecar(stage: Stage, *ports: int, delta: bool = True, unprivileged: bool = False) -> Sidecar:
    """Start the sidecar of the workload `sleep`, on an address where the services' ports are free."""
    proxy = sleeper(*ports, unprivileged=unprivileged)
    return Sidecar(await stage.sidecar(proxy, delta=delta), proxy.ip)


def sleeper(*ports: int, unprivileged: bool = False) -> Proxy:
    """The workload `sleep` on an address where the HTTP proxy's port and the given ones are free."""
    ip = free_address(PROXY_PORT, *ports)
    return Proxy("sidecar", "sleep", "default", ip=ip, labels={"app": "sleep"}, unprivileged=unprivileged)


def free_address(*ports: int) -> str:
    """A loopback address on which all the ports are free."""
    dice = random.SystemRandom()
    for _ in range(_ATTEMPTS):
        address = f"127.{dice.randrange(1, 255)}.{dice.randrange(256)}.{dice.randrange(1, 255)}"
        if all(_is_free(address, port) for port in ports):
            return address
    raise RuntimeError(f"no loopback address has all of {ports} free")


def _is_free(address: str, port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True
