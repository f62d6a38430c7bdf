"""What several commands share: options, loading manifests once, printing values. See decision 0135."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from mirrorplane.controlplane.commands.errors import CommandError

if TYPE_CHECKING:
    from mirrorplane.api.meta import AnyObject
    from mirrorplane.controlplane.plane import Plane
    from mirrorplane.controlplane.sources.files.source import FileSource


def output_option(*formats: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option for the format of the output; the first format is the default."""
    return click.option(
        "-o", "--output", type=click.Choice(formats), default=formats[0], show_default=True, help="The format."
    )


OUTPUT = output_option("yaml", "json")
WATCH = click.option("-w", "--watch", is_flag=True, help="Print changes until interrupted.")
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


class Selection(msgspec.Struct, frozen=True):
    """Which namespace to show; "" is all."""

    namespace: str = ""

    def has(self, namespace: str) -> bool:
        """Tell whether something in a namespace is shown; "" is that of objects without one, which always are."""
        return not namespace or self.namespace in {"", namespace}


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


def namespace_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that select a namespace, and the result as its argument `selection`."""
    namespace = click.option(
        "-n", "--namespace", default="", metavar="NAME", help="Show only this namespace.  [default: all]"
    )
    everything = click.option("-A", "--all-namespaces", is_flag=True, help="Show all namespaces.")

    @wraps(command)
    def with_selection(namespace: str, all_namespaces: bool, **options: object) -> object:
        return command(selection=Selection("" if all_namespaces else namespace), **options)

    decorated: Callable[..., Any] = namespace(everything(with_selection))
    return decorated


def _with_manifests(command: Callable[..., Any], *, required: bool) -> Callable[..., Any]:
    filename = click.option(
        "-f",
        "--filename",
        "paths",
        multiple=True,
        required=required,
        metavar="FILE|DIR|-",
        type=click.Path(exists=True, allow_dash=True, path_type=Path),
        help="Manifests: a file, a folder, or - for standard input. Repeatable.",
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
        raise CommandError(str(error)) from error


def load_plane(manifests: Manifests) -> "tuple[FileSource, Plane]":
    """Read manifests once, and return their source and the plane that holds them.

    Raises CommandError when they hold nothing: a mistyped folder must not look like a good one.
    """
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
        raise CommandError(f"no manifest found in {files.name}: {MANIFEST_NAMES}")
    return files, plane


def seconds(flag: str, text: str) -> float:
    """Return the duration that a flag gives. Raises CommandError."""
    from mirrorplane.api.units import milliseconds

    try:
        return milliseconds(text) / 1000
    except ValueError as error:
        raise CommandError(f"{flag}: {error}") from error


def print_value(value: object, output: str) -> None:
    """Print a plain value as YAML or JSON."""
    if output == "json":
        import json

        text = json.dumps(value, indent=2) + "\n"
    else:
        import yaml

        text = yaml.safe_dump(value, sort_keys=False)
    click.echo(text, nl=False)
