"""`mirrorplane status`."""

from typing import TYPE_CHECKING

import click

from mirrorplane.controlplane.commands.admin_client import AdminServer, admin_options, fetch_rows
from mirrorplane.controlplane.commands.options import Manifests, load_plane, optional_manifest_options, print_value

if TYPE_CHECKING:
    from mirrorplane.controlplane.query.objects import StatusRow

_PATH = "/debug/status"
_WIDTH = 1000


@click.command(
    short_help="Show the status of Gateways, routes and policies.", epilog="Example: mirrorplane status -f mesh/"
)
@optional_manifest_options
@admin_options
@click.option("-o", "--output", type=click.Choice(["table", "yaml", "json"]), default="table", show_default=True)
def status(manifests: Manifests, admin: AdminServer, output: str) -> None:
    """Show the status of Gateways, routes and policies, as kubectl would.

    With -f: the status that these manifests get on their own. Without: the status in a running `mirrorplane serve`,
    where Programmed says whether every connected proxy of a Gateway has accepted it. `-o yaml` has everything.
    """
    import msgspec

    from mirrorplane.controlplane.query.objects import StatusRow

    rows = _computed(manifests) if manifests.paths else fetch_rows(admin, _PATH, StatusRow)
    if output != "table":
        print_value({"apiVersion": "v1", "kind": "List", "items": msgspec.to_builtins(rows)}, output)
    elif rows:
        _print_tables(rows)
    else:
        click.echo("no object has a status: only Gateways, Gateway API's routes and policies have one", err=True)


def _computed(manifests: Manifests) -> "list[StatusRow]":
    """Return the statuses of manifests without any proxy."""
    from datetime import UTC, datetime

    from mirrorplane.controlplane.query.objects import status_row
    from mirrorplane.controlplane.status.conditions import rfc3339

    _, plane = load_plane(manifests)
    plane.statuses.refresh(plane.engine.view, plane.snapshot, None, rfc3339(datetime.now(UTC)))
    return [status_row(plane.snapshot.objects[ref], value) for ref, value in plane.statuses.statuses()]


def _print_tables(rows: "list[StatusRow]") -> None:
    """Print a table for each kind, and a line for each condition that is not as it should be."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from mirrorplane.controlplane.query.status_format import status_problems, status_tables

    console = Console(highlight=False, width=_WIDTH)  # the terminal wraps long rows: a name cut short is useless
    for kind, (titles, *lines) in status_tables(rows):
        table = Table(title=kind, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for title in titles:
            table.add_column(title, no_wrap=True)
        for line in lines:
            table.add_row(*(Text(cell, style={"True": "green", "False": "red"}.get(cell, "")) for cell in line))
        console.print(table)
    for problem in status_problems(rows):
        console.print(Text(problem), soft_wrap=True)
