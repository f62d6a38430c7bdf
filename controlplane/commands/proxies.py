"""`mirrorplane proxies`."""

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from controlplane.settings import Address

_PATH = "/debug/proxies"
_PATIENCE_S = 30.0
_WIDE = 1000


@click.command()
@click.option("--admin-address", default="127.0.0.1:15014", show_default=True, help="Of the `mirrorplane serve` asked.")
@click.option("-o", "--output", type=click.Choice(["table", "wide", "json"]), default="table", show_default=True)
def proxies(admin_address: str, output: str) -> None:
    """Show each connected proxy: its scope, how far each type is, and what it last rejected.

    SYNCED: it has all it is owed. STALE: it has not answered yet. NOT SENT: what it asked for waits. REJECTED: see
    below the table. `-o wide` adds the versions it accepted and was sent; `-o json` has everything.
    """
    from controlplane.settings import AddressError, parse_address

    try:
        rows = _asked(parse_address(admin_address))
    except AddressError as error:
        raise click.ClickException(str(error)) from error
    if output == "json":
        click.echo(json.dumps(rows, indent=2))
    elif rows:
        _show(rows, wide=output == "wide")
    else:
        click.echo("no proxy is connected", err=True)


def _asked(address: "Address") -> list[Any]:
    """Ask a control plane for its proxies. Raises ClickException, saying what to do."""
    from http.client import HTTPConnection, HTTPException

    connection = HTTPConnection(address.host, address.port, timeout=_PATIENCE_S)
    try:
        connection.request("GET", _PATH)
        answer = connection.getresponse()
        if answer.status == HTTPStatus.NOT_FOUND:
            raise click.ClickException(f"{address} shows no proxies: `serve` does only on a loopback --admin-address")
        found = json.loads(answer.read())
    except OSError as error:
        asked = "is `mirrorplane serve` running there? --admin-address says where to ask"
        raise click.ClickException(f"nothing answers on {address} ({error.strerror or error}): {asked}") from error
    except (HTTPException, ValueError) as error:
        raise click.ClickException(f"what answers on {address} is not a `mirrorplane serve`") from error
    finally:
        connection.close()
    if answer.status != HTTPStatus.OK or not isinstance(found, list):
        raise click.ClickException(f"{address} answered {answer.status}; the log of `mirrorplane serve` says why")
    return found


def _show(rows: list[Any], *, wide: bool) -> None:
    """Print a table, with what a proxy rejects on lines of its own below it."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from controlplane.proxies import COLUMNS, lines_of

    console = Console(highlight=False, width=_WIDE)  # long rows are the terminal's to wrap: a cut name is no name
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in COLUMNS:
        table.add_column(column, no_wrap=True)
    said: list[str] = []
    for row in rows:
        cells, nacks = lines_of(row, wide=wide)
        table.add_row(*(Text(cell, style=_style(cell)) for cell in cells))
        said += (f"{cells[0]}: {nack}" for nack in nacks)
    console.print(table)
    for line in said:
        console.print(Text(line), soft_wrap=True)


def _style(cell: str) -> str:
    styles = {"SYNCED": "green", "STALE": "yellow", "NOT SENT": "yellow", "REJECTED": "red"}
    return next((style for state, style in styles.items() if cell.startswith(state)), "")
