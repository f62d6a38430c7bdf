"""`mirrorplane render`."""

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from mirrorplane.controlplane.commands.admin_client import AdminServer, admin_options, fetch
from mirrorplane.controlplane.commands.errors import CommandError
from mirrorplane.controlplane.commands.options import (
    OUTPUT,
    Manifests,
    load_plane,
    optional_manifest_options,
    print_value,
)
from mirrorplane.controlplane.commands.proxy_argument import find_connected, find_proxy, is_node_file, proxy_option

if TYPE_CHECKING:
    from collections.abc import Mapping

_EPILOG = """\b
Examples:
  mirrorplane render -f mesh/ --proxy sleep.yaml --type routes
  mirrorplane render --proxy sleep.shop -o json
  mirrorplane render -f mesh/ --proxy sleep.shop
"""


@click.command(short_help="Print the resources that a proxy is served.", epilog=_EPILOG)
@optional_manifest_options
@admin_options
@proxy_option()
@click.option(
    "--type",
    "type_name",
    type=click.Choice(["listeners", "routes", "clusters", "endpoints"]),
    default=None,
    help="Only resources of this type.",
)
@OUTPUT
def render(manifests: Manifests, admin: AdminServer, proxy_name: str, type_name: str | None, output: str) -> None:
    """Print exactly the Envoy resources that a proxy is served, without Secrets.

    With -f: what these manifests would make of it. Without: what a running `mirrorplane serve` serves to the connected
    proxy of this name.
    """
    resources = _computed(manifests, admin, proxy_name) if manifests.paths else _served(admin, proxy_name)
    print_value(resources[type_name] if type_name else resources, output)


def _computed(manifests: Manifests, admin: AdminServer, proxy_name: str) -> "Mapping[str, Any]":
    from mirrorplane.controlplane.publish.publisher import RenderError
    from mirrorplane.controlplane.query.resources import resource_values

    proxy = find_proxy(proxy_name, admin)
    try:
        return resource_values(load_plane(manifests)[1].render(proxy))
    except RenderError as error:
        raise CommandError(str(error)) from error


def _served(admin: AdminServer, proxy_name: str) -> "Mapping[str, Any]":
    if is_node_file(proxy_name):
        raise click.UsageError("a node file needs manifests (-f); without -f, name a connected proxy")
    node_id = find_connected(proxy_name, admin).id
    return fetch(admin, f"/debug/resources?proxy={quote(node_id)}", dict[str, list[dict[str, Any]]])
