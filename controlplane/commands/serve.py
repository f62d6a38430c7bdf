"""`mirrorplane serve`."""

import asyncio
from pathlib import Path

import click

from controlplane.commands.shared import SOURCES


@click.command()
@SOURCES
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
