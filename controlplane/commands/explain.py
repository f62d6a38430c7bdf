"""`mirrorplane explain`."""

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from mirrorplane.controlplane.commands.options import Manifests, load_plane, manifest_options, print_value

if TYPE_CHECKING:
    from mirrorplane.api.tracing import Request
    from mirrorplane.translators.matching.decoded import DecodedResources

_PORTS = {"http": 80, "https": 443}
_NEVER_PROXIED = {"https", "udp"}
"""Schemes whose traffic never goes to the HTTP proxy port."""
_RANDOM = click.IntRange(0, (1 << 63) - 1)


@click.command(
    short_help="Show what a proxy does with a request, and why.",
    epilog="Example: mirrorplane explain -f mesh/ --proxy sleep.yaml GET http://web:8000/path -H 'x-user: me'",
)
@manifest_options
@click.option(
    "--proxy",
    "--from",
    "node_file",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The client's proxy, in a YAML file: name, namespace, role, labels, ...",
)
@click.option("-H", "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A request header. Repeatable.")
@click.option(
    "--random",
    "random_value",
    type=_RANDOM,
    metavar="INTEGER",
    help="Envoy's random number for the request: decides weights and percentages.",
)
@click.option("-o", "--output", type=click.Choice(["text", "json", "yaml"]), default="text", show_default=True)
@click.argument("method")
@click.argument("url")
def explain(manifests: Manifests, node_file: Path, output: str, **options: object) -> None:
    """Show what a proxy does with a request, which objects cause it, and why other routes do not match.

    The request goes to the listener of its port if there is one, else through the HTTP proxy port. Use udp://HOST:PORT
    for UDP traffic, with any METHOD.
    """
    from mirrorplane.controlplane.commands.node_file import NodeFileError, read_node
    from mirrorplane.controlplane.publish.publisher import RenderError
    from mirrorplane.controlplane.query.explanation import explain as explain_outcome
    from mirrorplane.controlplane.query.explanation import trace
    from mirrorplane.controlplane.query.related_findings import related_findings
    from mirrorplane.translators.matching.decoded import decode_resources

    try:
        proxy = read_node(node_file)
        source, plane = load_plane(manifests)
        resources = decode_resources(plane.render(proxy))
    except (NodeFileError, RenderError) as error:
        raise click.ClickException(str(error)) from error
    request = _request(resources, **options)  # type: ignore[arg-type]
    dialled_host = urlsplit(str(options["url"])).hostname or ""  # the host connected to, whatever the Host header is
    outcome = trace(plane, proxy, resources, request, dialled_host)
    explanation = explain_outcome(outcome, source.locate, related_findings(plane, proxy, outcome))
    if output == "text":
        click.echo("\n".join(explanation.lines()))
    else:
        print_value(explanation.values(), output)


def _request(
    resources: "DecodedResources", method: str, url: str, headers: tuple[str, ...], random_value: int | None
) -> "Request":
    """Return the request as the proxy sees it. Raises ClickException for an invalid URL or header."""
    from mirrorplane.api.tracing import Request
    from mirrorplane.translators.matching.listeners import has_listener

    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError) as error:
        raise click.ClickException(f"invalid URL {url!r}: write http://host:port/path") from error
    authority = parts.netloc.rpartition("@")[2]
    if not authority:
        raise click.ClickException(f"invalid URL {url!r}: the host is missing; write http://host:port/path")
    pairs = [_header(text) for text in headers]
    hosts = [value for name, value in pairs if name == "host"]
    return Request(
        authority=hosts[-1] if hosts else authority,
        path=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
        method=method,
        headers=tuple(pair for pair in pairs if pair[0] != "host"),
        port=port if parts.scheme in _NEVER_PROXIED or has_listener(resources, port) else 0,
        random_value=random_value,
        tls=parts.scheme == "https",
        udp=parts.scheme == "udp",
    )


def _header(text: str) -> tuple[str, str]:
    from mirrorplane.translators.patterns import is_header_name

    name, colon, value = text.partition(":")
    if not colon or not is_header_name(name.strip()):
        raise click.ClickException(f"invalid header {text!r}: write 'name: value'")
    return name.strip().lower(), value.strip()
