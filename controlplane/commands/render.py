"""`mirrorplane render`."""

from pathlib import Path

import click

from mirrorplane.controlplane.commands.options import OUTPUT, Given, loaded, show, sources


@click.command()
@sources
@click.option("--proxy", "node", required=True, type=click.Path(path_type=Path), help="A YAML file: role, name, ...")
@click.option("--type", "only", type=click.Choice(["listeners", "routes", "clusters", "endpoints"]), default=None)
@OUTPUT
def render(given: Given, node: Path, only: str | None, output: str) -> None:
    """Print exactly the resources that a proxy would be served."""
    from mirrorplane.controlplane.commands.node_file import NodeFileError, read_node
    from mirrorplane.controlplane.findings.format import resources_of
    from mirrorplane.controlplane.publish.publisher import RenderError

    try:
        proxy = read_node(node)
    except NodeFileError as error:
        raise click.ClickException(str(error)) from error
    try:
        found = resources_of(loaded(given)[1].render(proxy), only or "")
    except RenderError as error:
        raise click.ClickException(str(error)) from error
    show(found[only] if only else found, output)
