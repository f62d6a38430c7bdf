"""The command line. Modules are imported where a command needs them, so that `--help` is quick."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from controlplane.plane import Plane
    from controlplane.sources.files import FileSource

_SOURCES = click.option(
    "-f",
    "--filename",
    "paths",
    multiple=True,
    required=True,
    type=click.Path(exists=True, path_type=Path),
    help="A folder of manifests, or a file. May be given more than once.",
)
_OUTPUT = click.option("-o", "--output", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True)


def main() -> None:
    """Run the command line. Every error is one line and a non-zero exit code."""
    try:
        cli()
    except Exception as error:  # the last line of defence: a bug is told in one line, too
        if "--verbose" in sys.argv:
            raise
        message = " ".join(str(error).split()) or type(error).__name__
        click.echo(f"Error: {type(error).__name__}: {message} (a bug; --verbose shows where)", err=True)
        sys.exit(70)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--verbose", is_flag=True, help="Log more, and show where an internal error happened.")
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.version_option(package_name="mirrorplane")
def cli(verbose: bool, log_format: str) -> None:
    """Serve Envoy proxies from Istio's and other mirroring APIs, so that a copy never hurts the original."""
    from controlplane.observe.logs import start_logging

    start_logging(log_format, verbose=verbose)


@cli.command()
@_SOURCES
@click.option("--xds-address", default="127.0.0.1:15010", show_default=True, help="Where proxies connect.")
@click.option("--admin-address", default="127.0.0.1:15014", show_default=True, help="Health, metrics, debug pages.")
@click.option("--insecure", is_flag=True, help="Allow plaintext xDS on an address that is not a loopback one.")
def serve(paths: tuple[Path, ...], xds_address: str, admin_address: str, insecure: bool) -> None:
    """Serve proxies from a folder of manifests, and follow its changes."""
    from controlplane.app import ListenError, ServeOptions
    from controlplane.app import serve as run
    from controlplane.settings import AddressError, parse_address

    try:
        options = ServeOptions(paths, parse_address(xds_address), parse_address(admin_address))
        if not options.xds.is_loopback and not insecure:
            raise click.ClickException(f"{xds_address} is not a loopback address: plaintext xDS there needs --insecure")
        asyncio.run(run(options))
    except (AddressError, ListenError) as error:
        raise click.ClickException(str(error)) from error


@cli.command()
@_SOURCES
@click.option("--proxy", "node", required=True, type=click.Path(path_type=Path), help="A YAML file: role, name, ...")
@click.option("--type", "only", type=click.Choice(["listeners", "routes", "clusters", "endpoints"]), default=None)
@_OUTPUT
def render(paths: tuple[Path, ...], node: Path, only: str | None, output: str) -> None:
    """Print exactly the resources that a proxy would be served."""
    from controlplane.nodes import NodeFileError, read_node
    from controlplane.publish import RenderError
    from controlplane.report import resources_of

    try:
        proxy = read_node(node)
    except NodeFileError as error:
        raise click.ClickException(str(error)) from error
    try:
        found = resources_of(_loaded(paths).render(proxy), only or "")
    except RenderError as error:
        raise click.ClickException(str(error)) from error
    _print(found[only] if only else found, output)


@cli.command()
@_SOURCES
def check(paths: tuple[Path, ...]) -> None:
    """Say what is wrong with manifests; exit 1 when there are errors."""
    from controlplane.report import finding_line, has_errors

    source, plane = _loaded_with_source(paths)
    found = plane.findings()
    for finding in found:
        click.echo(finding_line(finding))
    errors = sum(f.severity.value == "error" for f in found)
    click.echo(f"{len(plane.snapshot.objects)} objects, {errors} errors, {len(found) - errors} warnings", err=True)
    if source.ignored:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(source.ignored.items()))
        click.echo(f"not read, because nothing here is about them: {kinds}", err=True)
    sys.exit(1 if has_errors(found) else 0)


@cli.command()
@click.option("--role", type=click.Choice(["sidecar"]), default="sidecar", show_default=True)
@click.option("--name", required=True, help="The workload's name, for example its Pod's.")
@click.option("--namespace", default="default", show_default=True)
@click.option("--ip", default="127.0.0.1", show_default=True, help="The workload's address; a loopback one is bound.")
@click.option("--labels", default="", help="k=v,k2=v2")
@click.option("--xds-address", default="127.0.0.1:15010", show_default=True)
@click.option("--protocol", type=click.Choice(["delta", "sotw"]), default="delta", show_default=True)
@click.option(
    "--admin-port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default=True,
    help="Envoy's own admin port on loopback; 0 is any.",
)
@click.option("--unprivileged", is_flag=True, help="The proxy may not bind ports below 1024.")
@_OUTPUT
def bootstrap(output: str, xds_address: str, protocol: str, admin_port: int, **node: str) -> None:
    """Print the Envoy bootstrap of a proxy; the workload calls out through 127.0.0.1:15080 or the services' ports."""
    from api.proxy import Proxy
    from bootstrap.envoy import XdsAddress, XdsAddressError
    from bootstrap.envoy import bootstrap as made
    from bootstrap.node import NodeError, checked, parse_labels
    from controlplane.settings import AddressError, parse_address

    try:
        where = parse_address(xds_address)
        labels = parse_labels(str(node.pop("labels")))
        proxy = checked(Proxy(labels=labels, **node))  # type: ignore[arg-type]
        found = made(proxy, XdsAddress(where.host, where.port, delta=protocol == "delta"), admin_port)
    except (NodeError, AddressError, XdsAddressError) as error:
        raise click.ClickException(str(error)) from error
    _print(found, output)


@cli.command()
@click.option("--keep", is_flag=True, help="Leave everything up afterwards, and print what to try.")
def demo(keep: bool) -> None:
    """Play Istio's mirroring tutorial with real Envoys on this machine, then a mirror that is stuck."""
    from controlplane.observe.logs import quieten
    from controlplane.playground.demo import play

    quieten()
    sys.exit(play(keep=keep))


def _loaded(paths: tuple[Path, ...]) -> "Plane":
    return _loaded_with_source(paths)[1]


def _loaded_with_source(paths: tuple[Path, ...]) -> "tuple[FileSource, Plane]":
    from controlplane.app import file_source
    from controlplane.catalogue import catalogue
    from controlplane.plane import Plane

    source = file_source(paths, catalogue())
    plane = Plane(catalogue(), source.locate)
    plane.apply(source.load())
    asyncio.run(plane.publish())
    return source, plane


def _print(value: object, output: str) -> None:
    import json

    import yaml

    text = json.dumps(value, indent=2) + "\n" if output == "json" else yaml.safe_dump(value, sort_keys=False)
    click.echo(text, nl=False)


if __name__ == "__main__":
    main()
