"""`mirrorplane diff`."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click
import msgspec

from mirrorplane.controlplane.commands.admin_client import AdminServer, admin_options, fetch, fetch_rows
from mirrorplane.controlplane.commands.errors import CommandError
from mirrorplane.controlplane.commands.options import (
    Manifests,
    Selection,
    load_plane,
    manifest_options,
    namespace_options,
    output_option,
)
from mirrorplane.controlplane.commands.proxy_argument import find_proxy, proxy_option

if TYPE_CHECKING:
    from mirrorplane.api.proxy import Proxy
    from mirrorplane.controlplane.plane import Plane
    from mirrorplane.controlplane.query.differences import ProxyDifference

_EPILOG = """\b
Examples:
  mirrorplane diff -f mesh/
  git worktree add /tmp/main main; mirrorplane diff -f mesh/ --against /tmp/main/mesh
  mirrorplane diff -f mesh/ --proxy sleep.shop -o unified
"""


class _Sides(msgspec.Struct, frozen=True):
    """One proxy, and what it is served before and after."""

    proxy: "Proxy"
    scope: str
    before: Mapping[str, list[dict[str, Any]]]
    after: Mapping[str, list[dict[str, Any]]]

    @property
    def name(self) -> str:
        """The proxy as `mirrorplane proxies` shows it."""
        return f"{self.proxy.name}.{self.proxy.namespace}"


@click.command(short_help="Show what proxies would get, and which requests change.", epilog=_EPILOG)
@manifest_options
@admin_options
@namespace_options
@click.option(
    "--against",
    type=click.Path(exists=True, allow_dash=True, path_type=Path),
    metavar="FILE|DIR|-",
    help="Compare with these manifests instead of a running control plane.",
)
@proxy_option(required=False, multiple=True)
@output_option("text", "unified", "json")
def diff(manifests: Manifests, admin: AdminServer, selection: Selection, output: str, **options: Any) -> None:
    """Show what proxies would get if these manifests were served, and which requests change.

    Compares with a running `mirrorplane serve`, for one proxy of each scope; or with other manifests, for a sidecar of
    each namespace and a router of each Gateway. --proxy compares these proxies only. Requests are sampled: one for each
    route. The exit code is 0 without differences, 1 with differences.
    """
    plane = load_plane(manifests)[1]
    if options["against"]:
        against = load_plane(msgspec.structs.replace(manifests, paths=(options["against"],)))[1]
        sides = _between(against, plane, [find_proxy(name, admin) for name in options["proxy_names"]])
    else:
        sides = _from_live(admin, plane, options["proxy_names"])
    shown = [side for side in sides if selection.has(side.proxy.namespace)]
    sys.exit(1 if _print(shown, output) else 0)


def _between(old: "Plane", new: "Plane", proxies: "list[Proxy]") -> "Iterator[_Sides]":
    from mirrorplane.controlplane.query.derived_proxies import derived_proxies

    for proxy in proxies or derived_proxies(old, new):
        yield _Sides(proxy, f"{proxy.role} {proxy.namespace}", _rendered(old, proxy), _rendered(new, proxy))


def _from_live(admin: AdminServer, plane: "Plane", names: tuple[str, ...]) -> "Iterator[_Sides]":
    from mirrorplane.controlplane.query.proxies import ProxyRow, has_name

    rows = fetch_rows(admin, "/debug/proxies", ProxyRow)
    missing = [name for name in names if not any(has_name(row, name) for row in rows)]
    if missing:
        raise CommandError(f"no proxy {missing[0]} is connected")
    selected = [row for row in rows if not names or any(has_name(row, name) for name in names)]
    if not selected:
        raise CommandError("no proxies are connected: name manifests to compare with (--against)")
    scopes: list[object] = []
    for row in selected:
        if names or row.scope not in scopes:  # proxies of one scope are served the same
            scopes.append(row.scope)
            served = fetch(admin, f"/debug/resources?proxy={quote(row.id)}", dict[str, list[dict[str, Any]]])
            yield _Sides(row.node, row.scope.summary(), served, _rendered(plane, row.node))


def _rendered(plane: "Plane", proxy: "Proxy") -> Mapping[str, list[dict[str, Any]]]:
    from mirrorplane.controlplane.publish.publisher import RenderError
    from mirrorplane.controlplane.query.resources import resource_values

    try:
        return {name: list(map(dict, values)) for name, values in resource_values(plane.render(proxy)).items()}
    except RenderError as error:
        raise CommandError(str(error)) from error


def _print(sides: list[_Sides], output: str) -> bool:
    """Print the differences, and return whether there are any."""
    from mirrorplane.controlplane.query.differences import compare, unified_lines

    try:
        differences = [compare(side.name, side.scope, side.before, side.after) for side in sides]
    except ValueError as error:
        raise CommandError(f"what the control plane serves cannot be read by this version: {error}") from error
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(differences), indent=2))
    elif output == "unified":
        for side in sides:
            for line in unified_lines(side.name, side.before, side.after):
                click.echo(line)
    else:
        _print_text(differences)
    return not all(difference.is_empty for difference in differences)


def _print_text(differences: "list[ProxyDifference]") -> None:
    from mirrorplane.controlplane.query.differences import difference_lines

    for line in difference_lines(differences):
        click.echo(line)
    affected = [difference for difference in differences if not difference.is_empty]
    requests = sum(len(difference.requests) for difference in affected)
    proxies = f"proxies compared: {len(differences)}, affected: {len(affected)}"
    click.echo(f"{proxies}; sampled requests that change: {requests}", err=True)
