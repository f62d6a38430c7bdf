"""What several commands share: the options, reading manifests once, printing values."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from controlplane.plane import Plane
    from controlplane.sources.files import FileSource

SOURCES = click.option(
    "-f",
    "--filename",
    "paths",
    multiple=True,
    required=True,
    type=click.Path(exists=True, path_type=Path),
    help="A folder of manifests, or a file. May be given more than once.",
)
OUTPUT = click.option("-o", "--output", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True)


def loaded(paths: tuple[Path, ...]) -> "tuple[FileSource, Plane]":
    """Read manifests once, and return where they came from and the plane that holds them."""
    from controlplane.app import file_source
    from controlplane.catalogue import catalogue
    from controlplane.plane import Plane

    source = file_source(paths, catalogue())
    plane = Plane(catalogue(), source.locate)
    plane.apply(source.load())
    asyncio.run(plane.publish())
    return source, plane


def show(value: object, output: str) -> None:
    """Print a plain value as YAML or JSON."""
    import json

    import yaml

    text = json.dumps(value, indent=2) + "\n" if output == "json" else yaml.safe_dump(value, sort_keys=False)
    click.echo(text, nl=False)
