"""Requests to a running control plane's admin address."""

from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

_TIMEOUT_S = 30.0
# What the server accepts (MAX_TOKEN in identity/tokens).
_LARGEST_TOKEN_BYTES = 8192
_ADDRESS = click.option(
    "--admin-address",
    default="127.0.0.1:15014",
    show_default=True,
    metavar="HOST:PORT",
    help="The admin address of the `mirrorplane serve` to ask.",
)
_TOKEN_FILE = click.option(
    "--admin-token-file",
    type=click.Path(path_type=Path),
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
    """Return the rows of a debug page. Raises ClickException, which says what to do."""
    from http.client import HTTPConnection, HTTPException

    from mirrorplane.controlplane.settings import AddressError, parse_address

    try:
        address = parse_address(admin.address)
    except AddressError as error:
        raise click.ClickException(str(error)) from error
    headers = {"Authorization": f"Bearer {_token(admin.token_file)}"} if admin.token_file else {}
    connection = HTTPConnection(address.host, address.port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        body = response.read()
        _check(response.status, body, str(address))
        return msgspec.json.decode(body, type=list[row])  # type: ignore[valid-type]
    except OSError as error:
        hint = "is `mirrorplane serve` running there? Set --admin-address to where it runs"
        raise click.ClickException(f"cannot connect to {address} ({error.strerror or error}): {hint}") from error
    except (HTTPException, ValueError) as error:
        raise click.ClickException(f"the server on {address} is not a `mirrorplane serve` of this version") from error
    finally:
        connection.close()


def _check(status: int, body: bytes, address: str) -> None:
    if status == HTTPStatus.NOT_FOUND:
        hint = "`mirrorplane serve` needs a loopback --admin-address, or --jwks"
        raise click.ClickException(f"{address} has no debug pages: {hint}")
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        message = msgspec.json.decode(body, type=dict[str, str]).get("error", "")
        raise click.ClickException(f"{address} refused access: {message} (--admin-token-file sends a token)")
    if status != HTTPStatus.OK:
        raise click.ClickException(f"{address} answered {status}: see the log of `mirrorplane serve`")


def _token(path: Path) -> str:
    try:
        with path.open() as file:
            token = file.read(_LARGEST_TOKEN_BYTES + 1).strip()
    except (OSError, ValueError) as error:
        raise click.ClickException(f"{path}: cannot be read: {error}") from error
    if len(token) > _LARGEST_TOKEN_BYTES or len(token.split()) != 1 or not token.isascii():
        raise click.ClickException(f"{path}: is not a bearer token: one line, at most {_LARGEST_TOKEN_BYTES} bytes")
    return token
