"""`mirrorplane render`."""

from pathlib import Path

import click

from mirrorplane.controlplane.commands.options import OUTPUT, Manifests, load_plane, manifest_options, print_value


@click.command(
    short_help="Print the resources that a proxy is served.",
    epilog="Example: mirrorplane render -f mesh/ --proxy sleep.yaml --type routes",
)
@manifest_options
@click.option(
    "--proxy",
    "node_file",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A YAML file that describes the proxy: name, namespace, role, labels, ...",
)
@click.option(
    "--type",
    "type_name",
    type=click.Choice(["listeners", "routes", "clusters", "endpoints"]),
    default=None,
    help="Only resources of this type.",
)
@OUTPUT
def render(manifests: Manifests, node_file: Path, type_name: str | None, output: str) -> None:
    """Print exactly the Envoy resources that a proxy would be served."""
    from mirrorplane.controlplane.commands.node_file import NodeFileError, read_node
    from mirrorplane.controlplane.publish.publisher import RenderError
    from mirrorplane.controlplane.query.resources import resource_values

    try:
        proxy = read_node(node_file)
        resources = resource_values(load_plane(manifests)[1].render(proxy), type_name or "")
    except (NodeFileError, RenderError) as error:
        raise click.ClickException(str(error)) from error
    print_value(resources[type_name] if type_name else resources, output)
