"""`mirrorplane proxies`."""

from typing import TYPE_CHECKING

import click

from mirrorplane.controlplane.commands.admin_client import AdminServer, admin_options, fetch_rows

if TYPE_CHECKING:
    from mirrorplane.controlplane.query.proxies import ProxyRow

_PATH = "/debug/proxies"
_WIDTH = 1000


@click.command(short_help="Show connected proxies and how up to date they are.", epilog="Example: mirrorplane proxies")
@admin_options
@click.option("-o", "--output", type=click.Choice(["table", "wide", "json"]), default="table", show_default=True)
def proxies(admin: AdminServer, output: str) -> None:
    """Show each connected proxy: its scope, the state of each resource type, and what it last rejected.

    SYNCED: up to date. STALE: an update is pending or not acknowledged. NOT SENT: nothing was sent yet. REJECTED: the
    reason is below the table, and so is what a router does not serve. `-o wide` adds the accepted and the sent version;
    `-o json` has everything.
    """
    import msgspec

    from mirrorplane.controlplane.query.proxies import ProxyRow

    rows = fetch_rows(admin, _PATH, ProxyRow)
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(rows), indent=2))
    elif rows:
        _print_table(rows, wide=output == "wide")
    else:
        click.echo("no proxies are connected", err=True)


def _print_table(rows: "list[ProxyRow]", *, wide: bool) -> None:
    """Print a table, and below it a line for each type that a proxy rejects and for each problem."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from mirrorplane.controlplane.query.proxies import COLUMNS, table_cells

    console = Console(highlight=False, width=_WIDTH)  # the terminal wraps long rows: a name cut short is useless
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in COLUMNS:
        table.add_column(column, no_wrap=True)
    rejections: list[str] = []
    for row in rows:
        cells, nacks = table_cells(row, wide=wide)
        table.add_row(*(Text(cell, style=_style(cell)) for cell in cells))
        rejections += (f"{cells[0]}: {nack}" for nack in nacks)
    console.print(table)
    for line in rejections:
        console.print(Text(line), soft_wrap=True)


def _style(cell: str) -> str:
    styles = {"SYNCED": "green", "STALE": "yellow", "NOT SENT": "yellow", "REJECTED": "red"}
    return next((style for state, style in styles.items() if cell.startswith(state)), "")
