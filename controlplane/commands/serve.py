"""`mirrorplane serve`."""

import logging
from pathlib import Path
from typing import Any

import click

from mirrorplane.controlplane.commands.errors import CommandError
from mirrorplane.controlplane.commands.options import Manifests, manifest_options, seconds

log = logging.getLogger(__name__)
_EPILOG = """\b
Examples:
  mirrorplane serve -f mesh/
  mirrorplane serve -f mesh/ --xds-address 0.0.0.0:15010 --tls-cert tls.crt --tls-key tls.key --jwks jwks.json
"""
_FILE = click.Path(path_type=Path)


@click.command(short_help="Serve proxies from manifests.", epilog=_EPILOG)
@manifest_options
@click.option(
    "--xds-address", default="127.0.0.1:15010", show_default=True, metavar="HOST:PORT", help="Where proxies connect."
)
@click.option(
    "--admin-address",
    default="127.0.0.1:15014",
    show_default=True,
    metavar="HOST:PORT",
    help="Health, metrics and debug pages.",
)
@click.option(
    "--tls-cert", type=_FILE, metavar="FILE", help="The server's certificate chain (PEM); reloaded when it changes."
)
@click.option("--tls-key", type=_FILE, metavar="FILE", help="Its private key (PEM).")
@click.option(
    "--client-ca",
    type=_FILE,
    metavar="FILE",
    help="Require a client certificate of this CA (PEM), with a SPIFFE ID.",
)
@click.option(
    "--jwks", type=_FILE, metavar="FILE", help="Require a bearer token signed with a key of this file (JWKS)."
)
@click.option("--audience", default="", metavar="NAME", help="The audience tokens must name.  [default: mirrorplane]")
@click.option("--issuer", default="", metavar="URL", help="The issuer tokens must name.  [default: any]")
@click.option("--trust-domain", default="", metavar="NAME", help="The trust domain proxies must be of.  [default: any]")
@click.option(
    "--insecure", is_flag=True, help="Allow xDS on an address other machines can reach without TLS or authentication."
)
@click.option(
    "--debounce-quiet",
    default="100ms",
    show_default=True,
    metavar="DURATION",
    help="Quiet period before a burst of changes is published.",
)
@click.option(
    "--debounce-max",
    default="10s",
    show_default=True,
    metavar="DURATION",
    help="Longest time that a change waits for a quiet period.",
)
@click.option(
    "--removal-grace",
    default="1s",
    show_default=True,
    metavar="DURATION",
    help="Delay before unused resources are removed.",
)
@click.option(
    "--max-streams",
    type=click.IntRange(min=1),
    default=5000,
    show_default=True,
    metavar="N",
    help="Streams that one client, an identity or else an address, may have open.",
)
@click.option(
    "--max-scopes",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    metavar="N",
    help="Different configurations that the proxies of one client may have.",
)
@click.option(
    "--max-first-message",
    type=click.IntRange(min=1, max=16),
    default=4,
    show_default=True,
    metavar="MIB",
    help="Size of a proxy's first message, which lists all it holds.",
)
def serve(manifests: Manifests, xds_address: str, admin_address: str, **flags: Any) -> None:
    """Serve proxies over xDS from manifests, and follow changes of the files."""
    import asyncio

    from mirrorplane.controlplane.app import ListenError, ServeOptions
    from mirrorplane.controlplane.app import serve as run
    from mirrorplane.controlplane.identity.flags import SecurityFlags, SecurityFlagsError, security_from_flags
    from mirrorplane.controlplane.identity.watched_files import FileProblemError
    from mirrorplane.controlplane.settings import AddressError, ClientLimits, parse_address
    from mirrorplane.controlplane.sources.debounce import Debounce
    from mirrorplane.controlplane.xds.push_order import PushLimits

    debounce = Debounce(_seconds(flags, "debounce_quiet"), _seconds(flags, "debounce_max"))
    limits = PushLimits(grace=_seconds(flags, "removal_grace"))
    clients = ClientLimits(flags.pop("max_streams"), flags.pop("max_scopes"), flags.pop("max_first_message") << 20)
    try:
        xds, admin = parse_address(xds_address), parse_address(admin_address)
        security = security_from_flags(SecurityFlags(**flags), exposed=not xds.is_loopback)
        if not xds.is_loopback and not (security.tls and security.identifies):
            log.warning("--insecure: any client that can reach %s can read the whole configuration", xds)
        asyncio.run(
            run(ServeOptions(manifests.paths, xds, admin, debounce, security, limits, manifests.objects, clients))
        )
    except (AddressError, SecurityFlagsError, FileProblemError, ListenError) as error:
        raise CommandError(str(error)) from error


def _seconds(flags: dict[str, Any], name: str) -> float:
    """Take a duration out of the flags."""
    return seconds(f"--{name.replace('_', '-')}", flags.pop(name))
