"""`mirrorplane version`."""

from typing import TYPE_CHECKING

import click
import msgspec

from mirrorplane.controlplane.commands.admin_client import AdminServer, admin_options, fetch, fetch_rows
from mirrorplane.controlplane.commands.errors import CommandError
from mirrorplane.controlplane.commands.options import output_option, print_value

if TYPE_CHECKING:
    from mirrorplane.controlplane.query.versions import Versions

_EPILOG = """\b
Examples:
  mirrorplane version
  mirrorplane version --client
  mirrorplane version -o json
"""


@click.command(short_help="Show the versions of client, server and proxies.", epilog=_EPILOG)
@admin_options
@output_option("text", "json", "yaml")
@click.option("--client", "client_only", is_flag=True, help="Only the version of this program.")
def version(admin: AdminServer, output: str, client_only: bool) -> None:
    """Show the versions of this program, of a running control plane, and of the Envoys that are connected to it.

    When the server cannot be asked, the client's version is printed all the same, and the exit code is 2; --client asks
    no server.
    """
    from mirrorplane.controlplane.query.versions import Versions, this_version, version_lines

    versions, failure = Versions(this_version()), None
    if not client_only:
        try:
            versions = _with_server(versions, admin)
        except CommandError as error:
            failure = error
    if output == "text":
        click.echo("\n".join(version_lines(versions)))
    else:
        print_value(msgspec.to_builtins(versions), output)
    if failure is not None:
        raise failure


def _with_server(versions: "Versions", admin: AdminServer) -> "Versions":
    from mirrorplane.controlplane.query.proxies import ProxyRow, proxy_versions
    from mirrorplane.controlplane.query.versions import ServerVersion

    server = fetch(admin, "/version", ServerVersion)
    proxies = proxy_versions(fetch_rows(admin, "/debug/proxies", ProxyRow))
    return msgspec.structs.replace(versions, server=server, proxies=proxies)
