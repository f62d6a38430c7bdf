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
from mirrorplane.controlplane.commands.proxy_argument import (
    envoy_version_option,
    find_connected,
    find_proxy,
    proxy_option,
    refuse_computed_options,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mirrorplane.api.proxy import Proxy

_EPILOG = """\b
Examples:
  mirrorplane render -f mesh/ --proxy sleep.yaml --type routes
  mirrorplane render --proxy sleep.shop -o json
  mirrorplane render -f mesh/ --proxy sleep.shop
  mirrorplane render -f mesh/ --proxy sleep.yaml --envoy-version 1.38 --type clusters
"""


@click.command(short_help="Print the resources that a proxy is served.", epilog=_EPILOG)
@optional_manifest_options
@admin_options
@proxy_option()
@envoy_version_option()
@click.option(
    "--type",
    "type_name",
    type=click.Choice(["listeners", "routes", "clusters", "endpoints"]),
    default=None,
    help="Only resources of this type.",
)
@OUTPUT
def render(manifests: Manifests, admin: AdminServer, proxy_name: str, output: str, **options: Any) -> None:
    """Print exactly the Envoy resources that a proxy is served, without Secrets.

    With -f: what these manifests would make of it. Without: what a running `mirrorplane serve` serves to the connected
    proxy of this name.
    """
    version, type_name = options["envoy_version"], options["type_name"]
    if manifests.paths:
        resources = _computed(manifests, find_proxy(proxy_name, admin, version))
    else:
        refuse_computed_options(proxy_name, version)
        resources = _served(admin, proxy_name)
    print_value(resources[type_name] if type_name else resources, output)


def _computed(manifests: Manifests, proxy: "Proxy") -> "Mapping[str, Any]":
    from mirrorplane.controlplane.publish.publisher import RenderError
    from mirrorplane.controlplane.query.resources import resource_values

    try:
        return resource_values(load_plane(manifests)[1].render(proxy))
    except RenderError as error:
        raise CommandError(str(error)) from error


def _served(admin: AdminServer, proxy_name: str) -> "Mapping[str, Any]":
    node_id = find_connected(proxy_name, admin).id
    return fetch(admin, f"/debug/resources?proxy={quote(node_id)}", dict[str, list[dict[str, Any]]])
