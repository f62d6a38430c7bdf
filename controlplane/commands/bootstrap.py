"""`mirrorplane bootstrap`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mirrorplane.controlplane.commands.errors import CommandError
from mirrorplane.controlplane.commands.options import OUTPUT, print_value

if TYPE_CHECKING:
    from mirrorplane.bootstrap.tls import XdsTls

_EPILOG = """\b
Examples:
  mirrorplane bootstrap --name sleep --labels app=sleep -o json > sleep.json
  mirrorplane bootstrap --role router --name edge --labels istio=ingressgateway
"""

PORT = click.IntRange(0, 65535)

_FILES = {
    "ca": "xds_ca",
    "certificate": "xds_cert",
    "key": "xds_key",
    "token": "token_file",
    "secrets": "secrets_dir",
}
"""The flag of each field of XdsTls that is a path."""


@click.command(
    short_help="Print the Envoy bootstrap of a proxy.",
    epilog=_EPILOG,
)
@click.option(
    "--role",
    type=click.Choice(["sidecar", "router"]),
    default="sidecar",
    show_default=True,
    help="router: an ingress gateway, which opens the listeners of the Gateways that select it.",
)
@click.option("--name", required=True, metavar="NAME", help="The workload's name, for example its Pod's.")
@click.option(
    "-n", "--namespace", default="default", show_default=True, metavar="NAME", help="The workload's namespace."
)
@click.option(
    "--ip",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="The workload's address; Envoy binds it if it is a loopback one.",
)
@click.option("--labels", default="", metavar="KEY=VALUE,...", help="The workload's labels.")
@click.option(
    "--xds-address", default="127.0.0.1:15010", show_default=True, metavar="HOST:PORT", help="The control plane."
)
@click.option(
    "--protocol",
    type=click.Choice(["delta", "sotw"]),
    default="delta",
    show_default=True,
    help="The variant of xDS: changes only, or the whole state of the world.",
)
@click.option(
    "--admin-port",
    type=PORT,
    metavar="PORT",
    default=15000,
    show_default=True,
    help="Envoy's own admin interface, on loopback; 0: any free port, if the two ports below are 0 as well.",
)
@click.option(
    "--health-port",
    type=PORT,
    metavar="PORT",
    default=15021,
    show_default=True,
    help="Serve /healthz/ready here, on --ip if that is a loopback address, else on all addresses; 0: not at all.",
)
@click.option(
    "--stats-port",
    type=PORT,
    metavar="PORT",
    default=15090,
    show_default=True,
    help="Serve /stats/prometheus likewise.",
)
@click.option(
    "--xds-ca",
    default="",
    metavar="FILE",
    help="The CA that issued the control plane's certificate (PEM); without it, plaintext.",
)
@click.option("--xds-cert", default="", metavar="FILE", help="The proxy's certificate, with its SPIFFE ID (PEM).")
@click.option("--xds-key", default="", metavar="FILE", help="Its private key (PEM).")
@click.option("--token-file", default="", metavar="FILE", help="A file with the proxy's bearer token.")
@click.option(
    "--secrets-dir",
    default="",
    metavar="FOLDER",
    help="Write files that refer to these files here, so that Envoy reloads them when they change.",
)
@click.option(
    "--xds-server-name",
    default="",
    metavar="NAME",
    help="The name in the control plane's certificate.  [default: the host of --xds-address]",
)
@click.option(
    "--interception",
    type=click.Choice(["NONE", "REDIRECT"]),
    default="NONE",
    show_default=True,
    help="REDIRECT: iptables redirect the workload's connections to the proxy (deploy/intercept.sh).",
)
@click.option("--unprivileged", is_flag=True, help="The proxy may not bind ports below 1024.")
@OUTPUT
def bootstrap(output: str, xds_address: str, protocol: str, **node: str) -> None:
    """Print the Envoy bootstrap of a proxy.

    Without interception the workload sends its requests through the HTTP proxy on 127.0.0.1:15080, or to the services'
    own ports on 127.0.0.1.
    """
    from mirrorplane.api.proxy import Proxy
    from mirrorplane.bootstrap.envoy import XdsAddress, XdsAddressError
    from mirrorplane.bootstrap.envoy import bootstrap as envoy_bootstrap
    from mirrorplane.bootstrap.node import NodeError, parse_labels, validated
    from mirrorplane.bootstrap.platform_ports import PlatformPorts, PlatformPortsError
    from mirrorplane.bootstrap.tls import XdsTlsError, secret_files
    from mirrorplane.controlplane.settings import AddressError, parse_address

    try:
        address, tls = parse_address(xds_address), _tls(node)
        ports = PlatformPorts(**{name: int(node.pop(f"{name}_port")) for name in ("admin", "health", "stats")})
        labels = parse_labels(str(node.pop("labels")))
        proxy = validated(Proxy(labels=labels, **node))  # type: ignore[arg-type]
        value = envoy_bootstrap(proxy, XdsAddress(address.host, address.port, protocol == "delta", tls), ports)
    except (NodeError, AddressError, XdsAddressError, XdsTlsError, PlatformPortsError) as error:
        raise CommandError(str(error)) from error
    for path, secret in secret_files(tls).items() if tls else ():
        _write(Path(path), secret)
    print_value(value, output)


def _write(path: Path, value: object) -> None:
    import json

    try:
        path.write_text(json.dumps(value, indent=2) + "\n")
    except OSError as error:
        raise CommandError(f"{path}: cannot be written: {error.strerror}") from error


def _tls(flags: dict[str, str]) -> "XdsTls | None":
    """Take the TLS flags out of the flags. Paths become absolute: Envoy may be started in another folder."""
    from mirrorplane.bootstrap.tls import XdsTls

    paths = {field: flags.pop(flag) for field, flag in _FILES.items()}
    tls = XdsTls(
        **{field: str(Path(path).absolute()) if path else "" for field, path in paths.items()},
        server_name=flags.pop("xds_server_name"),
    )
    return tls if tls != XdsTls("") else None
