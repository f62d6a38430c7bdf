"""`mirrorplane serve`."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import click

from mirrorplane.controlplane.commands.options import Given, sources

log = logging.getLogger(__name__)
_FILE = click.Path(path_type=Path)


@click.command()
@sources
@click.option("--xds-address", default="127.0.0.1:15010", show_default=True, help="Where proxies connect.")
@click.option("--admin-address", default="127.0.0.1:15014", show_default=True, help="Health, metrics, debug pages.")
@click.option("--tls-cert", type=_FILE, help="The server's certificate chain (PEM); read again when it changes.")
@click.option("--tls-key", type=_FILE, help="Its private key (PEM).")
@click.option("--client-ca", type=_FILE, help="Proxies show a certificate of this CA, with a SPIFFE ID (PEM).")
@click.option("--jwks", type=_FILE, help="Proxies show a bearer token signed with a key of this file (JWKS).")
@click.option("--audience", default="", help="What a token must be made for.  [default: mirrorplane]")
@click.option("--issuer", default="", help="Who must have issued a token.  [default: anybody with the key]")
@click.option("--trust-domain", default="", help="The only trust domain of proxies.  [default: any]")
@click.option("--insecure", is_flag=True, help="Allow xDS that anybody can reach without TLS or identity.")
@click.option("--debounce-quiet", default="100ms", show_default=True, help="A storm of changes is over after this.")
@click.option("--debounce-max", default="10s", show_default=True, help="No change waits longer than this.")
@click.option("--removal-grace", default="1s", show_default=True, help="What nothing uses any more goes after this.")
def serve(given: Given, xds_address: str, admin_address: str, **flags: Any) -> None:
    """Serve proxies from a folder of manifests, and follow its changes."""
    from mirrorplane.controlplane.app import ListenError, ServeOptions
    from mirrorplane.controlplane.app import serve as run
    from mirrorplane.controlplane.identity.flags import SecurityFlags, SecurityFlagsError, security_from_flags
    from mirrorplane.controlplane.identity.watched_files import FileProblemError
    from mirrorplane.controlplane.settings import AddressError, parse_address
    from mirrorplane.controlplane.sources.debounce import Debounce
    from mirrorplane.controlplane.xds.push_order import PushLimits

    debounce = Debounce(_seconds(flags, "debounce_quiet"), _seconds(flags, "debounce_max"))
    push_limits = PushLimits(grace=_seconds(flags, "removal_grace"))
    try:
        xds, admin = parse_address(xds_address), parse_address(admin_address)
        security = security_from_flags(SecurityFlags(**flags), exposed=not xds.is_loopback)
        if not xds.is_loopback and not (security.tls and security.identifies):
            log.warning("--insecure: whoever can reach %s can read the whole configuration", xds)
        asyncio.run(run(ServeOptions(given.paths, xds, admin, debounce, security, push_limits, given.objects)))
    except (AddressError, SecurityFlagsError, FileProblemError, ListenError) as error:
        raise click.ClickException(str(error)) from error


def _seconds(flags: dict[str, Any], name: str) -> float:
    """Take a duration out of the flags."""
    from mirrorplane.api.units import milliseconds

    try:
        return milliseconds(flags.pop(name)) / 1000
    except ValueError as error:
        raise click.ClickException(f"--{name.replace('_', '-')}: {error}") from error
