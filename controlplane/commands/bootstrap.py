"""`mirrorplane bootstrap`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mirrorplane.controlplane.commands.options import OUTPUT, show

if TYPE_CHECKING:
    from mirrorplane.bootstrap.tls import XdsTls

_FILES = {
    "ca": "xds_ca",
    "certificate": "xds_cert",
    "key": "xds_key",
    "token": "token_file",
    "secrets": "secrets_dir",
}


@click.command()
@click.option(
    "--role",
    type=click.Choice(["sidecar", "router"]),
    default="sidecar",
    show_default=True,
    help="router: an ingress gateway, whose listeners are what Gateways say.",
)
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
    help="Envoy's own admin port on loopback; 0 is any, 15000 with interception.",
)
@click.option("--xds-ca", default="", help="Who issued the control plane's certificate (PEM); without it, plaintext.")
@click.option("--xds-cert", default="", help="The proxy's own certificate, with its SPIFFE ID (PEM).")
@click.option("--xds-key", default="", help="Its private key (PEM).")
@click.option("--token-file", default="", help="A file with the proxy's bearer token.")
@click.option(
    "--secrets-dir", default="", help="Write here where these files are, so that Envoy follows their changes."
)
@click.option("--xds-server-name", default="", help="The name in the control plane's certificate.  [default: its host]")
@click.option(
    "--interception",
    type=click.Choice(["NONE", "REDIRECT"]),
    default="NONE",
    show_default=True,
    help="REDIRECT: iptables bring the workload's traffic (deploy/intercept.sh), whatever it calls.",
)
@click.option("--unprivileged", is_flag=True, help="The proxy may not bind ports below 1024.")
@OUTPUT
def bootstrap(output: str, xds_address: str, protocol: str, admin_port: int, **node: str) -> None:
    """Print the Envoy bootstrap of a proxy; the workload calls out through 127.0.0.1:15080 or the services' ports.

    With interception it calls whom it likes. A router takes traffic from outside.
    """
    from mirrorplane.api.proxy import Proxy
    from mirrorplane.bootstrap.envoy import XdsAddress, XdsAddressError
    from mirrorplane.bootstrap.envoy import bootstrap as made
    from mirrorplane.bootstrap.node import NodeError, checked, parse_labels
    from mirrorplane.bootstrap.tls import XdsTlsError, secret_files
    from mirrorplane.controlplane.settings import AddressError, parse_address

    try:
        where, tls = parse_address(xds_address), _tls(node)
        labels = parse_labels(str(node.pop("labels")))
        proxy = checked(Proxy(labels=labels, **node))  # type: ignore[arg-type]
        found = made(proxy, XdsAddress(where.host, where.port, protocol == "delta", tls), admin_port)
    except (NodeError, AddressError, XdsAddressError, XdsTlsError) as error:
        raise click.ClickException(str(error)) from error
    for path, value in secret_files(tls).items() if tls else ():
        _write(Path(path), value)
    show(found, output)


def _write(path: Path, value: object) -> None:
    try:
        path.write_text(json.dumps(value, indent=2) + "\n")
    except OSError as error:
        raise click.ClickException(f"{path}: cannot be written: {error.strerror}") from error


def _tls(flags: dict[str, str]) -> "XdsTls | None":
    """Take what is about TLS out of the flags; paths become absolute, since an Envoy may be started anywhere."""
    from mirrorplane.bootstrap.tls import XdsTls

    paths = {field: flags.pop(flag) for field, flag in _FILES.items()}
    found = XdsTls(
        **{field: str(Path(path).absolute()) if path else "" for field, path in paths.items()},
        server_name=flags.pop("xds_server_name"),
    )
    return found if found != XdsTls("") else None
