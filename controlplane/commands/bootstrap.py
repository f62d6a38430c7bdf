"""`mirrorplane bootstrap`."""

import click

from controlplane.commands.shared import OUTPUT, show


@click.command()
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
@OUTPUT
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
    show(found, output)
