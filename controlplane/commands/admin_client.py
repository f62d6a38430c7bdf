"""Asking a running control plane on its admin address."""

import json
from http import HTTPStatus
from typing import Any

import click

_PATIENCE_S = 30.0
ADMIN_ADDRESS = click.option(
    "--admin-address", default="127.0.0.1:15014", show_default=True, help="Of the `mirrorplane serve` asked."
)


def asked(admin_address: str, path: str, what: str) -> list[Any]:
    """Return the rows of a page; `what` they are is for the messages. Raises ClickException, saying what to do."""
    from http.client import HTTPConnection, HTTPException

    from mirrorplane.controlplane.settings import AddressError, parse_address

    try:
        address = parse_address(admin_address)
    except AddressError as error:
        raise click.ClickException(str(error)) from error
    connection = HTTPConnection(address.host, address.port, timeout=_PATIENCE_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        if answer.status == HTTPStatus.NOT_FOUND:
            raise click.ClickException(f"{address} shows no {what}: `serve` does only on a loopback --admin-address")
        found = json.loads(answer.read())
    except OSError as error:
        hint = "is `mirrorplane serve` running there? --admin-address says where to ask"
        raise click.ClickException(f"nothing answers on {address} ({error.strerror or error}): {hint}") from error
    except (HTTPException, ValueError) as error:
        raise click.ClickException(f"what answers on {address} is not a `mirrorplane serve`") from error
    finally:
        connection.close()
    if answer.status != HTTPStatus.OK or not isinstance(found, list):
        raise click.ClickException(f"{address} answered {answer.status}; the log of `mirrorplane serve` says why")
    return found
