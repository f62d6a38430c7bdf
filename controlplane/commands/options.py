"""What several commands share: options, loading manifests once, printing values, file arguments."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

if TYPE_CHECKING:
    from mirrorplane.api.meta import AnyObject
    from mirrorplane.controlplane.plane import Plane
    from mirrorplane.controlplane.sources.files.source import FileSource

OUTPUT = click.option("-o", "--output", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True)
_CONTROLLERS = click.option(
    "--adopt-controller",
    "controllers",
    multiple=True,
    metavar="NAME=PROFILE",
    help="Also serve GatewayClasses of this controller, as mirrorplane, fsm or kgateway does. Repeatable.",
)
_CLASSES = click.option(
    "--gateway-class",
    "classes",
    multiple=True,
    metavar="NAME",
    help="Serve Gateways of this class even when its GatewayClass does not exist. Repeatable.",
)


class Manifests(msgspec.Struct, frozen=True):
    """The files to read, and the objects that the command line adds to theirs."""

    paths: tuple[Path, ...]
    objects: "tuple[AnyObject, ...]" = ()


def manifest_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that select manifests, and the result as its argument `manifests`."""
    return _with_manifests(command, required=True)


def optional_manifest_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Do the same for a command that also works without manifests."""
    return _with_manifests(command, required=False)


def _with_manifests(command: Callable[..., Any], *, required: bool) -> Callable[..., Any]:
    filename = click.option(
        "-f",
        "--filename",
        "paths",
        multiple=True,
        required=required,
        metavar="PATH",
        type=click.Path(exists=True, path_type=Path),
        help="A manifest file, or a folder of them. Repeatable.",
    )

    @wraps(command)
    def with_manifests(
        paths: tuple[Path, ...], controllers: tuple[str, ...], classes: tuple[str, ...], **options: object
    ) -> object:
        return command(manifests=Manifests(paths, _adopted(controllers, classes)), **options)

    decorated: Callable[..., Any] = filename(_CONTROLLERS(_CLASSES(with_manifests)))
    return decorated


def _adopted(controllers: tuple[str, ...], classes: tuple[str, ...]) -> "tuple[AnyObject, ...]":
    if not controllers and not classes:
        return ()
    from mirrorplane.controlplane.commands.adopted_classes import AdoptionError, adopted_controllers

    try:
        return tuple(adopted_controllers(controllers, classes))
    except AdoptionError as error:
        raise click.ClickException(str(error)) from error


def load_plane(manifests: Manifests) -> "tuple[FileSource, Plane]":
    """Read manifests once, and return their source and the plane that holds them."""
    import asyncio

    from mirrorplane.controlplane.configured_sources import file_source, flag_source
    from mirrorplane.controlplane.engine.catalogue import catalogue
    from mirrorplane.controlplane.plane import Plane
    from mirrorplane.controlplane.sources.files.source import MANIFEST_NAMES
    from mirrorplane.controlplane.sources.merged import Sources

    files = file_source(manifests.paths, catalogue())
    sources = Sources([flag_source(manifests.objects), files])
    plane = Plane(catalogue(), sources.locate)

    async def load() -> None:
        plane.apply(await sources.load())
        await plane.publish()

    asyncio.run(load())
    if files.is_empty:
        click.echo(f"no manifest found in {files.name}: {MANIFEST_NAMES}", err=True)
    return files, plane


def print_value(value: object, output: str) -> None:
    """Print a plain value as YAML or JSON."""
    if output == "json":
        import json

        text = json.dumps(value, indent=2) + "\n"
    else:
        import yaml

        text = yaml.safe_dump(value, sort_keys=False)
    click.echo(text, nl=False)
