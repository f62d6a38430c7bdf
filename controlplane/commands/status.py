"""`mirrorplane status`."""

from typing import TYPE_CHECKING, Any

import click

from mirrorplane.controlplane.commands.admin_client import ADMIN_ADDRESS, fetch_rows
from mirrorplane.controlplane.commands.options import Manifests, load_plane, optional_manifest_options, print_value

if TYPE_CHECKING:
    from collections.abc import Sequence

_PATH = "/debug/status"
_WIDTH = 1000


@click.command(
    short_help="Show the status of Gateways, routes and policies.", epilog="Example: mirrorplane status -f mesh/"
)
@optional_manifest_options
@ADMIN_ADDRESS
@click.option("-o", "--output", type=click.Choice(["table", "yaml", "json"]), default="table", show_default=True)
def status(manifests: Manifests, admin_address: str, output: str) -> None:
    """Show the status of Gateways, routes and policies, as kubectl would.

    With -f: the status that these manifests get on their own. Without: the status in a running `mirrorplane serve`,
    where Programmed says whether every connected proxy of a Gateway has accepted it. `-o yaml` has everything.
    """
    rows = _computed(manifests) if manifests.paths else fetch_rows(admin_address, _PATH, "statuses")
    if output != "table":
        print_value({"apiVersion": "v1", "kind": "List", "items": rows}, output)
    elif rows:
        _print_tables(rows)
    else:
        click.echo("no object has a status", err=True)


def _computed(manifests: Manifests) -> list[Any]:
    """Return the statuses of manifests without any proxy."""
    from datetime import UTC, datetime

    from mirrorplane.controlplane.status.conditions import rfc3339
    from mirrorplane.controlplane.status.format import status_row

    _, plane = load_plane(manifests)
    plane.statuses.refresh(plane.engine.view, plane.snapshot, None, rfc3339(datetime.now(UTC)))
    return [status_row(plane.snapshot.objects[ref], value) for ref, value in plane.statuses.statuses()]


def _print_tables(rows: "Sequence[Any]") -> None:
    """Print a table for each kind, and a line for each condition that is not as it should be."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from mirrorplane.controlplane.status.format import tables, troubles

    console = Console(highlight=False, width=_WIDTH)  # the terminal wraps long rows: a name cut short is useless
    for kind, (titles, *lines) in tables(rows):
        table = Table(title=kind, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for title in titles:
            table.add_column(title, no_wrap=True)
        for line in lines:
            table.add_row(*(Text(cell, style={"True": "green", "False": "red"}.get(cell, "")) for cell in line))
        console.print(table)
    for trouble in troubles(rows):
        console.print(Text(trouble), soft_wrap=True)
