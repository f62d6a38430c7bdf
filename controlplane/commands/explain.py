"""`mirrorplane explain`."""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import click

from mirrorplane.controlplane.commands.admin_client import AdminServer, admin_options, fetch
from mirrorplane.controlplane.commands.errors import CommandError
from mirrorplane.controlplane.commands.options import (
    Manifests,
    load_plane,
    optional_manifest_options,
    output_option,
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
    from mirrorplane.api.proxy import Proxy
    from mirrorplane.controlplane.query.explanation import ExplanationView
    from mirrorplane.controlplane.query.requests import RequestText

_RANDOM = click.IntRange(0, (1 << 63) - 1)
_EPILOG = """\b
Examples:
  mirrorplane explain -f mesh/ --proxy sleep.yaml GET http://web:8000/path -H 'x-user: me'
  mirrorplane explain --proxy sleep.shop GET http://web:8000/ -o json
"""


@click.command(short_help="Show what a proxy does with a request, and why.", epilog=_EPILOG)
@optional_manifest_options
@admin_options
@proxy_option("--from")
@envoy_version_option()
@click.option("-H", "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A request header. Repeatable.")
@click.option(
    "--random",
    "random_value",
    type=_RANDOM,
    metavar="INTEGER",
    help="Envoy's random number for the request: decides weights and percentages.",
)
@output_option("text", "json", "yaml")
@click.argument("method")
@click.argument("url")
def explain(manifests: Manifests, admin: AdminServer, proxy_name: str, output: str, **options: Any) -> None:
    """Show what a proxy does with a request, which objects cause it, and why other routes do not match.

    With -f: by these manifests. Without: by what a running `mirrorplane serve` serves to the connected proxy. The
    request goes to the listener of its port if there is one, else through the HTTP proxy port. Use udp://HOST:PORT for
    UDP traffic, with any METHOD.
    """
    from mirrorplane.controlplane.query.requests import RequestText

    version = options.pop("envoy_version")
    request = RequestText(**options)
    if manifests.paths:
        view = _computed(manifests, find_proxy(proxy_name, admin, version), request)
    else:
        refuse_computed_options(proxy_name, version)
        view = _served(admin, proxy_name, request)
    if output == "text":
        click.echo("\n".join(view.lines))
    else:
        print_value(view.outcome, output)


def _computed(manifests: Manifests, proxy: "Proxy", request: "RequestText") -> "ExplanationView":
    from mirrorplane.controlplane.publish.publisher import RenderError
    from mirrorplane.controlplane.query.explanation import explain_request
    from mirrorplane.controlplane.query.requests import RequestError
    from mirrorplane.translators.matching.decoded import decode_resources

    source, plane = load_plane(manifests)
    try:
        resources = decode_resources(plane.render(proxy))
        return explain_request(plane, proxy, resources, request, source.locate).view()
    except (RenderError, RequestError) as error:
        raise CommandError(str(error)) from error


def _served(admin: AdminServer, proxy_name: str, request: "RequestText") -> "ExplanationView":
    from mirrorplane.controlplane.query.explanation import ExplanationView

    query: list[tuple[str, str | int]] = [
        ("proxy", find_connected(proxy_name, admin).id),
        ("method", request.method),
        ("url", request.url),
        *(("header", header) for header in request.headers),
    ]
    if request.random_value is not None:
        query.append(("random", request.random_value))
    return fetch(admin, f"/debug/explain?{urlencode(query)}", ExplanationView)
