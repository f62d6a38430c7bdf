"""`mirrorplane proxies`."""

import json
from typing import Any

import click

from mirrorplane.controlplane.commands.admin_client import ADMIN_ADDRESS, asked

_PATH = "/debug/proxies"
_WIDE = 1000


@click.command()
@ADMIN_ADDRESS
@click.option("-o", "--output", type=click.Choice(["table", "wide", "json"]), default="table", show_default=True)
def proxies(admin_address: str, output: str) -> None:
    """Show each connected proxy: its scope, how far each type is, and what it last rejected.

    SYNCED: it has all it is owed. STALE: it has not answered yet. NOT SENT: what it asked for waits. REJECTED: see
    below the table. `-o wide` adds the versions it accepted and was sent; `-o json` has everything.
    """
    rows = asked(admin_address, _PATH, "proxies")
    if output == "json":
        click.echo(json.dumps(rows, indent=2))
    elif rows:
        _show(rows, wide=output == "wide")
    else:
        click.echo("no proxy is connected", err=True)


def _show(rows: list[Any], *, wide: bool) -> None:
    """Print a table, with what a proxy rejects on lines of its own below it."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from mirrorplane.controlplane.query.proxies import COLUMNS, lines_of

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
