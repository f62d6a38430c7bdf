"""One admitted call: its messages, each checked against the caller's proof, and what its caller may claim."""

import asyncio
from typing import Any

import grpc

from mirrorplane.api.proxy import Proxy
from mirrorplane.controlplane.grpc_server.open_calls import client_of
from mirrorplane.controlplane.identity.authoriser import Authoriser
from mirrorplane.controlplane.identity.caller import Caller, Credentials

# What grpc.aio raises when a message, or the end, can no longer be sent: its client left, or its connection broke.
# grpc itself would log it as an error, with a traceback.
DISCONNECTED = (grpc.aio.InternalError,)
"""The errors by which a call ends that has lost its client."""


class Call:
    """A call whose caller was admitted. Made by the server once the first message, or the end, has arrived.

    `client` is whom limits apply to: the identity of the caller, or else its address.
    """

    __slots__ = ("_authoriser", "_first_message", "_rpc", "caller", "client")

    def __init__(self, rpc: Any, authoriser: Authoriser, caller: Caller | None, first_message: Any) -> None:
        self.caller, self.client = caller, client_of(rpc, caller)
        self._rpc, self._authoriser, self._first_message = rpc, authoriser, first_message

    def authorise(self, proxy: Proxy) -> Proxy:
        """Return the proxy with the identity its caller proved. Raises RefusedError if it claims another namespace."""
        return self._authoriser.authorise(self.caller, proxy)

    async def read(self) -> bytes | None:
        """Return the next message, or None at the end. Raises RefusedError once the caller's proof has expired.

        Never cancel it, nor wrap it in a timeout, while the call lives: that loses messages (grpc/grpc#43360).
        """
        message = await self._rpc.read() if self._first_message is None else self._first_message
        self._first_message = None  # it may list all that a proxy holds, megabytes, and calls live long
        self._authoriser.confirm(self.caller)
        return None if message is grpc.aio.EOF else message

    async def write(self, message: bytes) -> None:
        """Send a message. Raises RefusedError once the caller's proof has expired.

        When the client is gone, the call is cancelled, whether gRPC notices it before or here.
        """
        self._authoriser.confirm(self.caller)
        try:
            await self._rpc.write(message)
        except DISCONNECTED as error:
            raise asyncio.CancelledError from error


def credentials_of(rpc: Any) -> Credentials:
    """Return what the caller of an RPC presents: its metadata, and the certificates of its TLS session."""
    return Credentials(
        tuple(value for key, value in rpc.invocation_metadata() or () if key == "authorization"),
        tuple(rpc.auth_context().get("x509_pem_cert", ())),
    )
