"""`mirrorplane status`."""

from typing import TYPE_CHECKING, Any

import click

from mirrorplane.controlplane.commands.admin_client import ADMIN_ADDRESS, asked
from mirrorplane.controlplane.commands.options import Given, loaded, perhaps_sources, show

if TYPE_CHECKING:
    from collections.abc import Sequence

_PATH = "/debug/status"
_WIDE = 1000


@click.command()
@perhaps_sources
@ADMIN_ADDRESS
@click.option("-o", "--output", type=click.Choice(["table", "yaml", "json"]), default="table", show_default=True)
def status(given: Given, admin_address: str, output: str) -> None:
    """Show the status of Gateways, routes and policies, as kubectl would.

    With -f of these manifests, as far as they say themselves; without, of those that a running `mirrorplane serve` has,
    where Programmed says whether every connected proxy of a Gateway has accepted it. `-o yaml` has everything.
    """
    rows = _computed(given) if given.paths else asked(admin_address, _PATH, "statuses")
    if output != "table":
        show({"apiVersion": "v1", "kind": "List", "items": rows}, output)
    elif rows:
        _show(rows)
    else:
        click.echo("there is nothing that has a status", err=True)


def _computed(given: Given) -> list[Any]:
    """Return the statuses that manifests have of themselves."""
    from datetime import UTC, datetime

    from mirrorplane.controlplane.status.format import status_row
    from mirrorplane.controlplane.status_updater import rfc3339

    _, plane = loaded(given)
    plane.statuses.refresh(plane.engine.view, plane.snapshot, None, rfc3339(datetime.now(UTC)))
    return [status_row(plane.snapshot.objects[ref], found) for ref, found in plane.statuses.statuses()]


def _show(rows: "Sequence[Any]") -> None:
    """Print a table for each kind, and below them what is not as it should be."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from mirrorplane.controlplane.status.format import tables, troubles

    console = Console(highlight=False, width=_WIDE)  # long rows are the terminal's to wrap: a cut name is no name
    for kind, (titles, *lines) in tables(rows):
        table = Table(title=kind, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for title in titles:
            table.add_column(title, no_wrap=True)
        for line in lines:
            table.add_row(*(Text(cell, style={"True": "green", "False": "red"}.get(cell, "")) for cell in line))
        console.print(table)
    for said in troubles(rows):
        console.print(Text(said), soft_wrap=True)
