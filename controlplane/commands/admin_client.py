"""Requests to a running control plane's admin address."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec

from mirrorplane.controlplane.commands.errors import CommandError

if TYPE_CHECKING:
    from http.client import HTTPResponse

_TIMEOUT_S = 30.0
# What the server accepts (MAX_TOKEN in identity/tokens).
_LARGEST_TOKEN_BYTES = 8192
_QUIET_S = 0.2
"""A change comes as many events: answers of proxies, findings, statuses. One query after this shows them all."""
_EVENTS = "/debug/events"
_ADDRESS = click.option(
    "--admin-address",
    default="127.0.0.1:15014",
    show_default=True,
    envvar="MIRRORPLANE_ADMIN",
    show_envvar=True,
    metavar="HOST:PORT",
    help="The admin address of the running `mirrorplane serve`.",
)
_TOKEN_FILE = click.option(
    "--admin-token-file",
    type=click.Path(path_type=Path),
    envvar="MIRRORPLANE_ADMIN_TOKEN_FILE",
    show_envvar=True,
    metavar="FILE",
    help="A file with a bearer token for an admin address that is not loopback.",
)
T = TypeVar("T")


class AdminServer(msgspec.Struct, frozen=True):
    """Which `mirrorplane serve` to ask, and the file with the token to show it."""

    address: str
    token_file: Path | None = None


def admin_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that select a running control plane, and the result as its argument `admin`."""
    from functools import wraps

    @wraps(command)
    def with_admin(admin_address: str, admin_token_file: Path | None, **options: object) -> object:
        return command(admin=AdminServer(admin_address, admin_token_file), **options)

    decorated: Callable[..., Any] = _ADDRESS(_TOKEN_FILE(with_admin))
    return decorated


def fetch_rows(admin: AdminServer, path: str, row: type[T]) -> list[T]:
    """Return the rows of a debug page. Raises CommandError, which says what to do."""
    return fetch(admin, path, list[row])  # type: ignore[valid-type]


def fetch(admin: AdminServer, path: str, answer: type[T]) -> T:
    """Return the answer of a debug page. Raises CommandError."""
    body = fetch_bytes(admin, path)
    try:
        return msgspec.json.decode(body, type=answer)
    except ValueError as error:
        raise _other_server(admin.address) from error


def fetch_bytes(admin: AdminServer, path: str, limit: int = -1) -> bytes:
    """Return the body of a page, `limit` bytes of it at most. Raises CommandError."""
    with _response(admin, path) as response:
        return response.read() if limit < 0 else response.read(limit)


def updates(admin: AdminServer, timeout_s: float | None = None) -> Iterator[None]:
    """Yield once, then after each burst of events of the control plane; ends after a time, if there is one.

    Raises CommandError, also when the control plane stops.
    """
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    with _response(admin, _EVENTS, lasting=True) as response:
        events = _Events(response)
        yield
        while events.wait(deadline):
            yield


class _Events:
    """Reads a stream of events in a thread, so that those of one burst count as one."""

    def __init__(self, response: "HTTPResponse") -> None:
        self._response = response
        self._arrived, self._ended = threading.Event(), False
        threading.Thread(target=self._read, daemon=True, name="events").start()

    def wait(self, deadline: float | None) -> bool:
        """Wait for an event, and for the burst that it begins; False when the time is over. Raises CommandError."""
        if not self._arrived.wait(None if deadline is None else max(deadline - time.monotonic(), 0)):
            return False
        if self._ended:
            raise CommandError("the control plane stopped")
        time.sleep(_QUIET_S)
        self._arrived.clear()
        if self._ended:  # while this slept
            self._arrived.set()
        return True

    def _read(self) -> None:
        with suppress(OSError, ValueError, AttributeError):  # closed by the other thread while it reads
            while line := self._response.readline():
                if line.startswith(b"data:"):
                    self._arrived.set()
        self._ended = True
        self._arrived.set()


@contextmanager
def _response(admin: AdminServer, path: str, *, lasting: bool = False) -> "Iterator[HTTPResponse]":
    """Send a request. Raises CommandError for what goes wrong until the response is read.

    A `lasting` response may be silent for as long as it likes.
    """
    from http.client import HTTPConnection, HTTPException

    from mirrorplane.controlplane.settings import AddressError, parse_address

    try:
        address = parse_address(admin.address)
    except AddressError as error:
        raise CommandError(str(error)) from error
    headers = {"Authorization": f"Bearer {_token(admin.token_file)}"} if admin.token_file else {}
    connection = HTTPConnection(address.host, address.port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        if response.status != HTTPStatus.OK:
            raise _refusal(response.status, response.read(), str(address))
        if lasting and connection.sock is not None:
            connection.sock.settimeout(None)
        yield response
    except OSError as error:
        hint = "is `mirrorplane serve` running there? Set --admin-address to where it runs"
        raise CommandError(f"cannot connect to {address} ({error.strerror or error}): {hint}") from error
    except (HTTPException, ValueError) as error:
        raise _other_server(str(address)) from error
    finally:
        if lasting and connection.sock is not None:  # ends the read of another thread, which close would wait for
            with suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)
        connection.close()


def _other_server(address: str) -> CommandError:
    return CommandError(f"the server on {address} is not a `mirrorplane serve` of this version")


def _refusal(status: int, body: bytes, address: str) -> CommandError:
    if status == HTTPStatus.NOT_FOUND:
        hint = "`mirrorplane serve` needs a loopback --admin-address, or --jwks"
        return CommandError(f"{address} has no debug pages: {hint}")
    if status in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        message = msgspec.json.decode(body, type=dict[str, str]).get("error", "")
        if status == HTTPStatus.BAD_REQUEST:
            return CommandError(message)
        return CommandError(f"{address} refused access: {message} (--admin-token-file sends a token)")
    return CommandError(f"{address} answered {status}: see the log of `mirrorplane serve`")


def _token(path: Path) -> str:
    try:
        with path.open() as file:
            token = file.read(_LARGEST_TOKEN_BYTES + 1).strip()
    except (OSError, ValueError) as error:
        raise CommandError(f"{path}: cannot be read: {error}") from error
    if len(token) > _LARGEST_TOKEN_BYTES or len(token.split()) != 1 or not token.isascii():
        raise CommandError(f"{path}: is not a bearer token: one line, at most {_LARGEST_TOKEN_BYTES} bytes")
    return token
