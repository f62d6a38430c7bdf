"""Requests to a running control plane's admin address."""

import json
from http import HTTPStatus
from typing import Any

import click

_TIMEOUT_S = 30.0
ADMIN_ADDRESS = click.option(
    "--admin-address",
    default="127.0.0.1:15014",
    show_default=True,
    metavar="HOST:PORT",
    help="The admin address of the `mirrorplane serve` to ask.",
)


def fetch_rows(admin_address: str, path: str, what: str) -> list[Any]:
    """Return the rows of a debug page; `what` they are is for messages. Raises ClickException with what to do."""
    from http.client import HTTPConnection, HTTPException

    from mirrorplane.controlplane.settings import AddressError, parse_address

    try:
        address = parse_address(admin_address)
    except AddressError as error:
        raise click.ClickException(str(error)) from error
    connection = HTTPConnection(address.host, address.port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        if response.status == HTTPStatus.NOT_FOUND:
            hint = "`mirrorplane serve` has debug pages only on a loopback --admin-address"
            raise click.ClickException(f"{address} does not show {what}: {hint}")
        rows = json.loads(response.read())
    except OSError as error:
        hint = "is `mirrorplane serve` running there? Set --admin-address to where it runs"
        raise click.ClickException(f"cannot connect to {address} ({error.strerror or error}): {hint}") from error
    except (HTTPException, ValueError) as error:
        raise click.ClickException(f"the server on {address} is not a `mirrorplane serve`") from error
    finally:
        connection.close()
    if response.status != HTTPStatus.OK or not isinstance(rows, list):
        raise click.ClickException(f"{address} answered {response.status}: see the log of `mirrorplane serve`")
    return rows
