"""`mirrorplane status`."""

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from mirrorplane.controlplane.commands.admin_client import AdminServer, admin_options, fetch_rows, updates
from mirrorplane.controlplane.commands.completers import complete_types
from mirrorplane.controlplane.commands.errors import CommandError
from mirrorplane.controlplane.commands.options import (
    WATCH,
    Manifests,
    Selection,
    load_plane,
    namespace_options,
    optional_manifest_options,
    output_option,
    print_value,
    seconds,
)

if TYPE_CHECKING:
    from mirrorplane.controlplane.query.objects import StatusRow
    from mirrorplane.controlplane.query.selection import Target

_PATH = "/debug/status"
_EPILOG = """\b
Examples:
  mirrorplane status
  mirrorplane status virtualservice/web -n shop -o yaml
  mirrorplane status httproute/front -n shop --wait --timeout 30s
  mirrorplane status -f mesh/
"""


@click.command(short_help="Show the status of routes, Gateways, policies and mirrors.", epilog=_EPILOG)
@optional_manifest_options
@admin_options
@namespace_options
@output_option("table", "wide", "name", "yaml", "json")
@WATCH
@click.option("--wait", is_flag=True, help="Wait until all that is shown is accepted, resolved and programmed.")
@click.option(
    "--timeout",
    default="30s",
    show_default=True,
    metavar="DURATION",
    help="How long --wait waits; then the exit code is 1.",
)
@click.argument("objects", nargs=-1, metavar="[TYPE[/NAME]]...", shell_complete=complete_types)
def status(manifests: Manifests, admin: AdminServer, selection: Selection, output: str, **options: Any) -> None:
    """Show the status of routes, Gateways, policies and mirrors.

    With -f: the status that these manifests get on their own. Without: the status in a running `mirrorplane serve`,
    where Programmed says whether the connected proxies have accepted it. TYPE is a kind, its plural or a short name
    (vs, dr, gw); TYPE.GROUP selects one of several APIs.
    """
    from mirrorplane.controlplane.query.selection import SelectionError, parse_targets, select

    if manifests.paths and (options["watch"] or options["wait"]):
        raise click.UsageError("--watch and --wait need a running control plane: leave out -f")
    try:
        targets = parse_targets(options["objects"])
        if options["wait"]:
            sys.exit(_wait(admin, targets, selection, seconds("--timeout", options["timeout"])))
        if options["watch"]:
            for changed in _changes(admin, targets, selection):
                _print(changed, output)
        rows = _computed(manifests) if manifests.paths else _fetched(admin)
        _print(select(rows, targets, selection.namespace), output)
    except SelectionError as error:
        raise CommandError(str(error)) from error


def _fetched(admin: AdminServer) -> "list[StatusRow]":
    from mirrorplane.controlplane.query.objects import StatusRow

    return fetch_rows(admin, _PATH, StatusRow)


def _computed(manifests: Manifests) -> "list[StatusRow]":
    """Return the statuses of manifests without any proxy."""
    from datetime import UTC, datetime

    from mirrorplane.controlplane.query.statuses import status_rows
    from mirrorplane.controlplane.status.conditions import rfc3339

    _, plane = load_plane(manifests)
    plane.statuses.refresh(plane.engine.view, plane.snapshot, None, rfc3339(datetime.now(UTC)))
    return status_rows(plane, plane.statuses.statuses(), None)


def _wait(admin: AdminServer, targets: "Sequence[Target]", selection: Selection, timeout_s: float) -> int:
    """Return 0 as soon as all selected objects are ready; 1 after the timeout, with what they lack on stderr."""
    from mirrorplane.controlplane.query.selection import SelectionError, select
    from mirrorplane.controlplane.query.status_format import is_ready, status_problems

    problems: list[str] = []
    for _ in updates(admin, timeout_s):
        try:
            rows = select(_fetched(admin), targets, selection.namespace)
        except SelectionError as error:
            problems = [str(error)]
            continue
        if rows and all(map(is_ready, rows)):
            _print(rows, "table")
            return 0
        problems = list(status_problems(rows)) or ["no object has a status"]
    for problem in (*problems, f"not ready after {timeout_s:g} s"):
        click.echo(problem, err=True)
    return 1


def _changes(admin: AdminServer, targets: "Sequence[Target]", selection: Selection) -> "Iterator[list[StatusRow]]":
    """Yield all selected objects, then those whose status changes, for ever."""
    from mirrorplane.controlplane.query.selection import SelectionError, select

    before: list[StatusRow] = []
    for _ in updates(admin):
        try:
            rows = select(_fetched(admin), targets, selection.namespace)
        except SelectionError:  # what is watched was deleted, and may come back
            rows = []
        changed = [row for row in rows if row not in before]
        before = rows
        if changed:
            yield changed


def _print(rows: "Sequence[StatusRow]", output: str) -> None:
    import msgspec

    from mirrorplane.controlplane.query.status_format import resource_name

    if output in {"yaml", "json"}:
        print_value({"apiVersion": "v1", "kind": "List", "items": msgspec.to_builtins(rows)}, output)
    elif output == "name":
        for row in rows:
            click.echo(resource_name(row))
    elif rows:
        _print_tables(rows, wide=output == "wide")
    else:
        click.echo("no object has a status: routes, Gateways, services and policies have one", err=True)


def _print_tables(rows: "Sequence[StatusRow]", *, wide: bool) -> None:
    """Print a table for each kind, and a line for each condition that is not as it should be."""
    from mirrorplane.controlplane.commands.tables import print_table
    from mirrorplane.controlplane.query.status_format import status_problems, status_tables

    for title, (titles, *lines) in status_tables(rows, wide=wide):
        print_table(titles, lines, title)
    for problem in status_problems(rows):
        click.echo(problem)
