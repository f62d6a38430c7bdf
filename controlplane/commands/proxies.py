"""`mirrorplane proxies`."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from mirrorplane.controlplane.commands.admin_client import AdminServer, admin_options, fetch_rows, updates
from mirrorplane.controlplane.commands.completers import complete_proxies
from mirrorplane.controlplane.commands.errors import CommandError
from mirrorplane.controlplane.commands.options import WATCH, Selection, namespace_options, output_option, print_value

if TYPE_CHECKING:
    from mirrorplane.controlplane.query.proxies import ProxyRow

_PATH = "/debug/proxies"
_EPILOG = """\b
Examples:
  mirrorplane proxies
  mirrorplane proxies sleep -n shop -o json
  mirrorplane proxies -w
"""


@click.command(short_help="Show connected proxies and how up to date they are.", epilog=_EPILOG)
@admin_options
@namespace_options
@output_option("table", "wide", "name", "yaml", "json")
@WATCH
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_proxies)
def proxies(admin: AdminServer, selection: Selection, output: str, **options: Any) -> None:
    """Show each connected proxy: its scope, the state of each resource type, and what it last rejected.

    NAME is sleep, sleep.shop or shop/sleep. SYNCED: up to date. STALE: an update is pending or not acknowledged. NOT
    SENT: nothing was sent yet. REJECTED: the reason is below the table, and so is what a router does not serve.
    `-o wide` adds the accepted and the sent version; `-o json` has everything.
    """
    if options["watch"]:
        for changed in _changes(admin, options["names"], selection):
            _print(changed, output)
    _print(_fetched(admin, options["names"], selection), output)


def _fetched(admin: AdminServer, names: Sequence[str], selection: Selection) -> "list[ProxyRow]":
    from mirrorplane.controlplane.query.proxies import ProxyRow, has_name

    rows = [row for row in fetch_rows(admin, _PATH, ProxyRow) if selection.has(row.namespace)]
    for name in names:
        if not any(has_name(row, name) for row in rows):
            raise CommandError(f"no proxy {name} is connected")
    return [row for row in rows if not names or any(has_name(row, name) for name in names)]


def _changes(admin: AdminServer, names: Sequence[str], selection: Selection) -> "Iterator[list[ProxyRow]]":
    """Yield all selected proxies, then those whose state changes, for ever."""
    import msgspec

    before: list[ProxyRow] = []
    for _ in updates(admin):
        try:
            rows = _fetched(admin, names, selection)
        except CommandError:  # a proxy that is watched has left, and may come back
            rows = []
        ageless = [msgspec.structs.replace(row, age_seconds=0) for row in rows]
        changed = [row for row, same in zip(rows, ageless, strict=True) if same not in before]
        before = ageless
        if changed:
            yield changed


def _print(rows: "Sequence[ProxyRow]", output: str) -> None:
    import msgspec

    if output in {"yaml", "json"}:
        print_value(msgspec.to_builtins(rows), output)
    elif output == "name":
        for row in rows:
            click.echo(f"{row.name}.{row.namespace}")
    elif rows:
        _print_table(rows, wide=output == "wide")
    else:
        click.echo("no proxies are connected", err=True)


def _print_table(rows: "Sequence[ProxyRow]", *, wide: bool) -> None:
    """Print a table, and below it a line for each type that a proxy rejects and for each problem.

    A problem that several proxies have, as those of one version of Envoy have, is printed once.
    """
    from mirrorplane.controlplane.commands.tables import print_table
    from mirrorplane.controlplane.query.proxies import COLUMNS, table_cells

    lines = [table_cells(row, wide=wide) for row in rows]
    print_table(COLUMNS, [cells for cells, _ in lines])
    proxies_by_problem: dict[str, list[str]] = {}
    for cells, problems in lines:
        for problem in problems:
            proxies_by_problem.setdefault(problem, []).append(cells[0])
    for problem, names in proxies_by_problem.items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        click.echo(f"{names[0]}{more}: {problem}")
