"""`mirrorplane explain`."""

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click
import msgspec

from mirrorplane.controlplane.commands.options import Given, loaded, show, sources

if TYPE_CHECKING:
    from mirrorplane.api.tracing import Request
    from mirrorplane.translators.matching.decoded import DecodedResources

_PORTS = {"http": 80, "https": 443}
_OWN_LISTENERS = {"https", "udp"}
"""What is never meant for the HTTP proxy."""
_RANDOM_VALUE = click.IntRange(0, (1 << 63) - 1)


@click.command()
@sources
@click.option(
    "--proxy",
    "--from",
    "node",
    required=True,
    type=click.Path(path_type=Path),
    help="Who asks: a YAML file with role, name, ... as `render` takes it.",
)
@click.option("-H", "--header", "headers", multiple=True, help="'name: value'. May be given more than once.")
@click.option(
    "--random",
    "random_value",
    type=_RANDOM_VALUE,
    help="The number Envoy draws for the request: it decides what is chance.",
)
@click.option("-o", "--output", type=click.Choice(["text", "json", "yaml"]), default="text", show_default=True)
@click.argument("method")
@click.argument("url")
def explain(given: Given, node: Path, output: str, **asked: object) -> None:
    """Say what a proxy does with a request, because of which objects, and why other routes do not match.

    For example: mirrorplane explain -f mesh --proxy sleep.yaml GET http://web:8000/path -H 'x-user: me'

    The request goes to the port's own listener where there is one, else through the HTTP proxy. A URL of the form
    udp://host:port asks about datagrams, whatever the method.
    """
    from mirrorplane.api.proxy import REDIRECT
    from mirrorplane.controlplane.commands.node_file import NodeFileError, read_node
    from mirrorplane.controlplane.publish.publisher import RenderError
    from mirrorplane.controlplane.query.explanation import lines_of, values_of
    from mirrorplane.translators.matching.decoded import decode_resources
    from mirrorplane.translators.matching.original_dst import dialled_address
    from mirrorplane.translators.matching.outcome import trace_request
    from mirrorplane.translators.scopes import criteria, scope_of

    try:
        proxy = read_node(node)
        source, plane = loaded(given)
        known = decode_resources(plane.render(proxy))
    except (NodeFileError, RenderError) as error:
        raise click.ClickException(str(error)) from error
    view = plane.engine.view
    request = _request(known, **asked)  # type: ignore[arg-type]
    dialled = urlsplit(str(asked["url"])).hostname or ""  # whatever the Host header says
    where = dialled_address(view, scope_of(proxy, view.memo(criteria)), dialled, request.port)
    found = trace_request(
        known, msgspec.structs.replace(request, address=where if proxy.interception == REDIRECT else "")
    )
    if output == "text":
        click.echo("\n".join(lines_of(found, source.locate)))
    else:
        show(values_of(found, source.locate), output)


def _request(
    known: "DecodedResources", method: str, url: str, headers: tuple[str, ...], random_value: int | None
) -> "Request":
    """Return the request as the proxy sees it. Raises ClickException for a URL or a header that is none."""
    from mirrorplane.api.tracing import Request
    from mirrorplane.translators.matching.listeners import has_listener

    try:
        said = urlsplit(url)
        port = said.port or _PORTS[said.scheme]
    except (ValueError, KeyError) as error:
        raise click.ClickException(f"{url!r} is no URL: write http://host:port/path") from error
    authority = said.netloc.rpartition("@")[2]
    if not authority:
        raise click.ClickException(f"{url!r} names no host: write http://host:port/path")
    pairs = [_header(text) for text in headers]
    hosts = [value for name, value in pairs if name == "host"]
    return Request(
        authority=hosts[-1] if hosts else authority,
        path=(said.path or "/") + (f"?{said.query}" if said.query else ""),
        method=method,
        headers=tuple(pair for pair in pairs if pair[0] != "host"),
        port=port if said.scheme in _OWN_LISTENERS or has_listener(known, port) else 0,
        random_value=random_value,
        tls=said.scheme == "https",
        udp=said.scheme == "udp",
    )


def _header(text: str) -> tuple[str, str]:
    from mirrorplane.translators.patterns import is_header_name

    name, colon, value = text.partition(":")
    if not colon or not is_header_name(name.strip()):
        raise click.ClickException(f"{text!r} is no header: write 'name: value'")
    return name.strip().lower(), value.strip()
