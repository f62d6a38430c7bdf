"""What several commands share: the options, reading manifests once, printing values."""

import asyncio
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from mirrorplane.api.meta import AnyObject

if TYPE_CHECKING:
    from mirrorplane.controlplane.plane import Plane
    from mirrorplane.controlplane.sources.files.source import FileSource

OUTPUT = click.option("-o", "--output", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True)
_CONTROLLERS = click.option(
    "--adopt-controller",
    "controllers",
    multiple=True,
    metavar="NAME=PROFILE",
    help="Serve GatewayClasses of this controller as mirrorplane, fsm or kgateway does. May be given more than once.",
)
_CLASSES = click.option(
    "--gateway-class",
    "classes",
    multiple=True,
    metavar="NAME",
    help="Serve Gateways of this class though there is no such GatewayClass. May be given more than once.",
)


class Given(msgspec.Struct, frozen=True):
    """Where manifests are, and the objects that the command line adds to them."""

    paths: tuple[Path, ...]
    objects: tuple[AnyObject, ...] = ()


def sources(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say what it is about, and the result as its argument `given`."""
    return _with_sources(command, required=True)


def perhaps_sources(command: Callable[..., Any]) -> Callable[..., Any]:
    """Do the same for a command that can do without manifests."""
    return _with_sources(command, required=False)


def _with_sources(command: Callable[..., Any], *, required: bool) -> Callable[..., Any]:
    filename = click.option(
        "-f",
        "--filename",
        "paths",
        multiple=True,
        required=required,
        type=click.Path(exists=True, path_type=Path),
        help="A folder of manifests, or a file. May be given more than once.",
    )

    @wraps(command)
    def asked(
        paths: tuple[Path, ...], controllers: tuple[str, ...], classes: tuple[str, ...], **more: object
    ) -> object:
        from mirrorplane.controlplane.commands.adopted_classes import AdoptionError, adopted

        try:
            return command(Given(paths, tuple(adopted(controllers, classes))), **more)
        except AdoptionError as error:
            raise click.ClickException(str(error)) from error

    options: Callable[..., Any] = filename(_CONTROLLERS(_CLASSES(asked)))
    return options


def loaded(given: Given) -> "tuple[FileSource, Plane]":
    """Read manifests once, and return where they came from and the plane that holds them."""
    from mirrorplane.controlplane.engine.catalogue import catalogue
    from mirrorplane.controlplane.plane import Plane
    from mirrorplane.controlplane.sources.configured import file_source, flag_source
    from mirrorplane.controlplane.sources.merged import Sources

    files = file_source(given.paths, catalogue())
    sources = Sources([flag_source(given.objects), files])
    plane = Plane(catalogue(), sources.locate)

    async def load() -> None:
        plane.apply(await sources.load())
        await plane.publish()

    asyncio.run(load())
    return files, plane


def show(value: object, output: str) -> None:
    """Print a plain value as YAML or JSON."""
    import json

    import yaml

    text = json.dumps(value, indent=2) + "\n" if output == "json" else yaml.safe_dump(value, sort_keys=False)
    click.echo(text, nl=False)
