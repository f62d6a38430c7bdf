"""The option `--proxy`: a node file, or the name of a proxy that is connected to a running control plane."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mirrorplane.controlplane.commands.admin_client import AdminServer, fetch_rows
from mirrorplane.controlplane.commands.completers import complete_proxies
from mirrorplane.controlplane.commands.errors import CommandError

if TYPE_CHECKING:
    from mirrorplane.api.proxy import Proxy
    from mirrorplane.controlplane.query.proxies import ProxyRow

_SUFFIXES = (".yaml", ".yml", ".json")
_STDIN = "-"


def proxy_option(*more_names: str, required: bool = True, multiple: bool = False) -> Callable[[Any], Any]:
    """Return the option; its argument is called `proxy_name`, or `proxy_names` where it may be repeated."""
    return click.option(
        "--proxy",
        *more_names,
        "proxy_names" if multiple else "proxy_name",
        required=required,
        multiple=multiple,
        metavar="FILE|NAME",
        shell_complete=complete_proxies,
        help="A node file (name, namespace, role, labels), or a connected proxy: sleep, sleep.shop."
        + (" Repeatable." if multiple else ""),
    )


def envoy_version_option() -> Callable[[Any], Any]:
    """Return the option `--envoy-version`, for commands that compute what a proxy would be served."""
    return click.option(
        "--envoy-version",
        default="",
        metavar="VERSION",
        help="As if the proxy ran this version of Envoy, for example 1.38; needs -f.",
    )


def find_proxy(text: str, admin: AdminServer, envoy_version: str = "") -> "Proxy":
    """Return the proxy that a node file describes, or that is connected under a name. Raises CommandError.

    With `envoy_version`, as if it ran that version.
    """
    import msgspec

    from mirrorplane.controlplane.commands.node_file import NodeFileError, check_version, read_node

    try:
        check_version("--envoy-version", envoy_version)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if envoy_version:
        return msgspec.structs.replace(find_proxy(text, admin), envoy_version=envoy_version, upstream_filters=None)
    if not is_node_file(text):
        return find_connected(text, admin).node
    try:
        return read_node(Path(text))
    except NodeFileError as error:
        raise CommandError(str(error)) from error


def refuse_computed_options(proxy_name: str, envoy_version: str) -> None:
    """Raise UsageError for what only manifests (-f) can answer; without them a connected proxy is asked about."""
    if is_node_file(proxy_name):
        raise click.UsageError("a node file needs manifests (-f); without -f, name a connected proxy")
    if envoy_version:
        raise click.UsageError("--envoy-version needs manifests (-f); a connected proxy has a version already")


def is_node_file(text: str) -> bool:
    """Tell whether the value of `--proxy` names a file; all others are names."""
    return text == _STDIN or text.endswith(_SUFFIXES) or Path(text).exists()


def find_connected(name: str, admin: AdminServer) -> "ProxyRow":
    """Return the row of a connected proxy. Raises CommandError, also when several have the name."""
    from mirrorplane.controlplane.query.proxies import ProxyRow, has_name

    rows = {row.id: row for row in fetch_rows(admin, "/debug/proxies", ProxyRow) if has_name(row, name)}
    if not rows:
        raise CommandError(f"no proxy {name} is connected, and no file has this name")
    if len(rows) > 1:
        names = ", ".join(sorted(f"{row.name}.{row.namespace}" for row in rows.values()))
        raise CommandError(f"{len(rows)} proxies have the name {name}: {names}")
    return next(iter(rows.values()))
